//! The signals that squad itself is sent while it runs something, and the end of whoever talks to it.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::signal as number;

/// What poll says of a stream whose other end nobody holds.
const GONE: PollFlags = PollFlags::HUP.union(PollFlags::ERR).union(PollFlags::NVAL);

/// INT, TERM and HUP, counted: by custom the first asks to end what is begun and begin nothing new, the second to end
/// at once.
pub struct Interrupts {
    heard: UnixStream,
    count: AtomicUsize,
    /// Whether the other end of standard input is watched still.
    watching: AtomicBool,
}

impl Interrupts {
    /// Counts from now on, for the rest of this process's life: none of the three ends it any more.
    ///
    /// # Errors
    /// When the system has no more handles.
    pub fn install() -> io::Result<Self> {
        let (heard, note) = UnixStream::pair()?;
        heard.set_nonblocking(true)?;
        for signal in [number::SIGINT, number::SIGTERM, number::SIGHUP] {
            signal_hook::low_level::pipe::register(signal, note.try_clone()?)?;
        }
        Ok(Self { heard, count: AtomicUsize::new(0), watching: AtomicBool::new(false) })
    }

    /// Counts it as an interrupt as well, once, when whoever holds the other end of standard input closes it or dies.
    /// For a pipe or a terminal; a file and `/dev/null` never do, and one that is closed from the start tells nothing.
    /// Nothing is read.
    pub fn watch_stdin_closed(&self) {
        let stdin = rustix::stdio::stdin();
        let mut watched = [PollFd::new(&stdin, PollFlags::empty())];
        let _ = poll(&mut watched, Some(&Timespec::default()));
        self.watching.store(!watched[0].revents().intersects(GONE), Ordering::Relaxed);
    }

    /// Returns how many there were.
    pub fn count(&self) -> usize {
        self.wait(Duration::ZERO)
    }

    /// Waits for one more, at most so long; returns how many there were.
    pub fn wait(&self, timeout: Duration) -> usize {
        let before = self.count.load(Ordering::Relaxed);
        let until = Instant::now().checked_add(timeout);
        loop {
            // A time that no clock reaches is none.
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            self.listen(left.and_then(|left| Timespec::try_from(left).ok()).as_ref());
            let count = self.count.load(Ordering::Relaxed);
            if count > before || left.is_some_and(|left| left.is_zero()) {
                return count;
            }
        }
    }

    fn listen(&self, timeout: Option<&Timespec>) {
        let stdin = rustix::stdio::stdin();
        let mut watched = vec![PollFd::new(&self.heard, PollFlags::IN)];
        if self.watching.load(Ordering::Relaxed) {
            // That nobody is at the other end is told unasked.
            watched.push(PollFd::new(&stdin, PollFlags::empty()));
        }
        // The signal that interrupts it has left its byte.
        let _ = poll(&mut watched, timeout);
        if watched.get(1).is_some_and(|stdin| stdin.revents().intersects(GONE)) {
            self.watching.store(false, Ordering::Relaxed);
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        let mut bytes = [0; 16];
        while let Ok(n @ 1..) = (&self.heard).read(&mut bytes) {
            self.count.fetch_add(n, Ordering::Relaxed);
        }
    }
}
