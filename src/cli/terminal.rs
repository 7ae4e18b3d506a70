//! What is only for a person at a terminal: a question, and word that something takes its time.
//!
//! Nothing here is ever said into a pipe or a file, and nothing of it stays on the screen but a question.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::args::Globals;
use super::ui::escape_line;
use crate::board::{Slow, Watch, Watcher};

/// How long something may take before a word is said, and between two of them.
const PATIENCE: Duration = Duration::from_secs(1);

/// Back to the beginning of the line, and nothing is left on it.
const ERASE: &str = "\r\u{1b}[K";

/// Asks on standard error and reads the answer from standard input; nothing where either is no terminal. What is not
/// yes is no.
pub fn agrees(question: &str) -> Option<bool> {
    let (stdin, mut stderr) = (io::stdin(), io::stderr());
    if !stdin.is_terminal() || !stderr.is_terminal() {
        return None;
    }
    write!(stderr, "{} [y/N] ", escape_line(question)).and_then(|()| stderr.flush()).ok()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).ok()?;
    Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Returns who says that something takes its time: nobody where nobody would see it, or nobody wants to.
pub fn watcher(globals: &Globals) -> Watcher {
    if globals.json || globals.quiet || !io::stderr().is_terminal() {
        return Watcher::default();
    }
    Watcher::new(Arc::new(Waiting::over(Box::new(io::stderr()), PATIENCE)))
}

/// Says that something takes long while it does: one line, rewritten each second, erased at the end.
struct Waiting {
    shared: Arc<Shared>,
    teller: Mutex<Option<JoinHandle<()>>>,
    patience: Duration,
}

struct Shared {
    over: Mutex<bool>,
    bell: Condvar,
    out: Mutex<Box<dyn Write + Send>>,
}

impl Waiting {
    fn over(out: Box<dyn Write + Send>, patience: Duration) -> Self {
        let shared = Shared { over: Mutex::new(true), bell: Condvar::new(), out: Mutex::new(out) };
        Self { shared: Arc::new(shared), teller: Mutex::new(None), patience }
    }
}

impl Watch for Waiting {
    fn begins(&self, what: Slow) {
        *self.shared.over.lock().unwrap_or_else(PoisonError::into_inner) = false;
        let (shared, patience) = (Arc::clone(&self.shared), self.patience);
        let teller = thread::spawn(move || shared.tell(what, patience));
        *self.teller.lock().unwrap_or_else(PoisonError::into_inner) = Some(teller);
    }

    fn ends(&self) {
        *self.shared.over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.bell.notify_all();
        // What comes next may be printed by others: the line is gone before.
        if let Some(teller) = self.teller.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = teller.join();
        }
    }
}

impl Shared {
    fn tell(&self, what: Slow, patience: Duration) {
        let mut said = 0u32;
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        while !*over {
            let (now, waited) = self.bell.wait_timeout(over, patience).unwrap_or_else(PoisonError::into_inner);
            over = now;
            if !*over && waited.timed_out() {
                said += 1;
                let seconds = (patience * said).as_secs();
                self.say(&match what {
                    Slow::Remote(command) => format!("{ERASE}waiting for the remote ({command}, {seconds} s)"),
                    Slow::Here(what) => format!("{ERASE}{what} ({seconds} s)"),
                });
            }
        }
        if said > 0 {
            self.say(ERASE);
        }
    }

    /// A terminal that takes no more is no reason to stop.
    fn say(&self, text: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panics").write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Screen {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("nobody panics").clone()).expect("text")
        }
    }

    #[test]
    fn what_takes_long_is_said_and_nothing_of_it_is_left() {
        let screen = Screen::default();
        let waiting = Waiting::over(Box::new(screen.clone()), Duration::from_millis(5));
        waiting.begins(Slow::Remote("fetch"));
        while !screen.text().contains("waiting for the remote (fetch") {
            thread::sleep(Duration::from_millis(1));
        }
        waiting.ends();
        let text = screen.text();
        assert!(text.ends_with(ERASE) && !text.contains('\n'), "{text:?}");
        waiting.ends();
        assert_eq!(screen.text(), text, "an end without a beginning says nothing");
    }

    #[test]
    fn what_is_done_at_once_is_not_worth_a_word() {
        let screen = Screen::default();
        let waiting = Waiting::over(Box::new(screen.clone()), Duration::from_secs(60));
        for what in [Slow::Remote("fetch"), Slow::Here("writing")] {
            waiting.begins(what);
            waiting.ends();
        }
        assert_eq!(screen.text(), "");
    }
}
