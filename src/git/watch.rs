//! Who is told that something may take long, and when it is done: this room itself never says a word.

use std::fmt;
use std::sync::Arc;

/// What may take long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slow {
    /// A command that talks to the remote, by git's name for it.
    Remote(&'static str),
    /// Work on this machine, as what is being done.
    Here(&'static str),
}

/// Is told when something begins that may take long, and when it has ended.
pub trait Watch: Send + Sync {
    /// It begins.
    fn begins(&self, what: Slow);
    /// It has ended.
    fn ends(&self);
}

/// Somebody who watches, or nobody.
#[derive(Clone, Default)]
pub struct Watcher(Option<Arc<dyn Watch>>);

impl Watcher {
    /// Returns the one who is to be told.
    pub fn new(watch: Arc<dyn Watch>) -> Self {
        Self(Some(watch))
    }

    /// Tells that something begins; that it has ended is told when what is returned is dropped.
    pub fn begin(&self, what: Slow) -> Watched {
        if let Some(watch) = &self.0 {
            watch.begins(what);
        }
        Watched(self.0.clone())
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Watcher(somebody)" } else { "Watcher(nobody)" })
    }
}

/// Something that is being watched, however it ends.
#[must_use]
pub struct Watched(Option<Arc<dyn Watch>>);

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(watch) = &self.0 {
            watch.ends();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<Option<Slow>>>);

    impl Watch for Heard {
        fn begins(&self, what: Slow) {
            self.0.lock().expect("nobody panics").push(Some(what));
        }
        fn ends(&self) {
            self.0.lock().expect("nobody panics").push(None);
        }
    }

    #[test]
    fn whoever_watches_hears_the_beginning_and_the_end() {
        let heard = Arc::new(Heard::default());
        let watcher = Watcher::new(heard.clone());
        let watched = watcher.begin(Slow::Remote("fetch"));
        assert_eq!(*heard.0.lock().expect("nobody panics"), [Some(Slow::Remote("fetch"))]);
        drop(watched);
        assert_eq!(*heard.0.lock().expect("nobody panics"), [Some(Slow::Remote("fetch")), None]);
        drop(Watcher::default().begin(Slow::Here("writing")));
    }
}
