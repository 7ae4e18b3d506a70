//! Who is told that a command talks to the remote, and when it is done: this room itself never says a word.

use std::fmt;
use std::sync::Arc;

/// Is told when a command begins to talk to the remote, and when it has ended.
pub trait Watch: Send + Sync {
    /// A command begins; `what` is git's name for it.
    fn begins(&self, what: &'static str);
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

    /// Tells that a command begins; that it has ended is told when what is returned is dropped.
    pub(super) fn begin(&self, what: &'static str) -> Watched {
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

/// A command that is being watched, however it ends.
pub(super) struct Watched(Option<Arc<dyn Watch>>);

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
    struct Heard(Mutex<Vec<&'static str>>);

    impl Watch for Heard {
        fn begins(&self, what: &'static str) {
            self.0.lock().expect("nobody panics").push(what);
        }
        fn ends(&self) {
            self.0.lock().expect("nobody panics").push("end");
        }
    }

    #[test]
    fn whoever_watches_hears_the_beginning_and_the_end() {
        let heard = Arc::new(Heard::default());
        let watcher = Watcher::new(heard.clone());
        let watched = watcher.begin("fetch");
        assert_eq!(*heard.0.lock().expect("nobody panics"), ["fetch"]);
        drop(watched);
        assert_eq!(*heard.0.lock().expect("nobody panics"), ["fetch", "end"]);
        drop(Watcher::default().begin("push"));
    }
}
