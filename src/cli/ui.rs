//! Everything that is printed: data to stdout, talk to stderr, colour only where it is welcome.
//!
//! Owns both streams. A closed pipe is no failure: whoever read has seen enough. Any other failure to write is
//! kept and told by [`Ui::finish`], so that a full disk does not end with exit code 0.

use std::io::{self, BufWriter, Write};

use anstream::{AutoStream, ColorChoice};

mod answer;
mod escape;
mod text;
mod words;

pub(crate) use answer::one_line;
pub use answer::{ANSWER_VERSION, Answer};
pub(crate) use escape::escape_json;
pub use escape::{escape_block, escape_line, truncate, width};
pub use text::{BAD, Cell, DIM, GOOD, HINT, Line, STRONG, Table, WARN};
pub use words::{age, plural, rfc3339, short};

use super::args::Globals;
use super::error;
use crate::ops::failure::Failure;

/// How to speak: what the global flags ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Voice {
    /// One JSON object on stdout, nothing else.
    pub json: bool,
    /// No talk.
    pub quiet: bool,
    /// How much more talk than usual.
    pub verbose: u8,
    /// No colour, whatever the terminal can do.
    pub no_color: bool,
}

impl From<&Globals> for Voice {
    fn from(globals: &Globals) -> Self {
        Self { json: globals.json, quiet: globals.quiet, verbose: globals.verbose, no_color: globals.no_color }
    }
}

/// The two streams of the process.
pub struct Ui {
    out: Sink,
    err: Sink,
    voice: Voice,
    /// Whether something is in the way of the whole answer; then that is the one thing to be said in passing.
    blocked: bool,
}

impl Ui {
    /// Returns the streams of this process. `NO_COLOR`, a dumb terminal or a pipe mean no colour.
    pub fn new(voice: Voice) -> Self {
        let choice = |auto| if voice.no_color || voice.json { ColorChoice::Never } else { auto };
        let out = AutoStream::new(io::stdout(), choice(AutoStream::choice(&io::stdout())));
        let err = AutoStream::new(io::stderr(), choice(AutoStream::choice(&io::stderr())));
        Self::over(voice, BufWriter::new(out), err)
    }

    /// Returns a pair of streams that write to these two, with their styles.
    pub fn over(voice: Voice, out: impl Write + 'static, err: impl Write + 'static) -> Self {
        Self { out: Sink::new(out), err: Sink::new(err), voice, blocked: false }
    }

    /// Tells whether the answer is to be JSON.
    pub fn is_json(&self) -> bool {
        self.voice.json
    }

    /// Returns how much more talk than usual is wanted.
    pub fn verbosity(&self) -> u8 {
        self.voice.verbose
    }

    /// Answers: the JSON object under `--json`, else whatever `text` prints.
    pub fn answer(&mut self, answer: &Answer, text: impl FnOnce(&mut Self)) {
        if self.voice.json {
            self.out.write(&answer.to_json());
            self.out.write("\n");
        } else {
            text(self);
        }
        // What has been told may be forgotten elsewhere.
        self.out.flush();
    }

    /// Prints a line of data. Nothing under `--json`.
    pub fn line(&mut self, line: impl Into<Line>) {
        if !self.voice.json {
            self.out.write(&format!("{}\n", line.into().rendered()));
        }
    }

    /// Prints text of several lines, each behind `indent`. Nothing under `--json`.
    pub fn block(&mut self, indent: &str, text: &str) {
        if !self.voice.json {
            for line in escape_block(text).lines() {
                self.out.write(format!("{}{line}", escape_line(indent)).trim_end());
                self.out.write("\n");
            }
        }
    }

    /// Prints the rows of a table. Nothing under `--json`.
    pub fn table(&mut self, table: &Table) {
        for line in table.lines() {
            self.line(line);
        }
    }

    /// Prints text that squad itself made, as it is: help, a completion script, a man page. Nothing under `--json`.
    pub fn verbatim(&mut self, text: &str) {
        if !self.voice.json {
            self.out.write(text);
        }
    }

    /// Says something in passing, on stderr. Nothing under `--quiet`.
    pub fn note(&mut self, line: impl Into<Line>) {
        if !self.voice.quiet {
            self.talk(&line.into());
        }
    }

    /// Says something in passing to whoever asked for at least that much with `-v`.
    pub fn detail(&mut self, verbosity: u8, line: impl Into<Line>) {
        if self.voice.verbose >= verbosity {
            self.note(line);
        }
    }

    /// Warns, on stderr. Nothing under `--quiet`, or once a blocker was told: a reader then gets that one line.
    pub fn warn(&mut self, message: &str) {
        if !self.blocked {
            self.note(Line::new().styled(WARN, "warning:").text(" ").text(message));
        }
    }

    /// Tells in one line of stderr what is in the way of a true answer, though there is one: even under `--quiet`, since
    /// it is a failure of a part.
    pub fn blocker(&mut self, cause: &str) {
        if !self.blocked {
            self.talk(&Line::new().styled(BAD, "BLOCKER:").text(" ").text(cause));
            self.blocked = true;
        }
    }

    /// Tells a part of a failure, on stderr; even under `--quiet`. Nothing under `--json`, where the object has it.
    pub fn complain(&mut self, line: &Line) {
        if !self.voice.json {
            self.talk(line);
        }
    }

    /// Tells a failure: JSON on stdout under `--json`, else text on stderr.
    pub fn failure(&mut self, command: Option<&str>, failure: &Failure) {
        if self.voice.json {
            self.out.write(&error::json(command, failure));
            self.out.write("\n");
        } else {
            for line in error::text(failure) {
                self.talk(&line);
            }
        }
    }

    /// Hands on what was printed so far, for a command that goes on for long.
    pub fn flush(&mut self) {
        self.out.flush();
    }

    /// Hands on everything and tells whether all of it could be written.
    ///
    /// # Errors
    /// The first failure of either stream other than a closed pipe.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush();
        self.err.flush();
        self.out.failed.or(self.err.failed).map_or(Ok(()), Err)
    }

    fn talk(&mut self, line: &Line) {
        // Data first, so that the two streams stand in order where both go to one terminal.
        self.out.flush();
        self.err.write(&format!("{}\n", line.rendered()));
    }
}

/// One stream, and what became of it.
struct Sink {
    stream: Box<dyn Write>,
    closed: bool,
    failed: Option<io::Error>,
}

impl Sink {
    fn new(stream: impl Write + 'static) -> Self {
        Self { stream: Box::new(stream), closed: false, failed: None }
    }

    fn write(&mut self, text: &str) {
        if !self.closed {
            let done = self.stream.write_all(text.as_bytes());
            self.settle(done);
        }
    }

    fn flush(&mut self) {
        if !self.closed {
            let done = self.stream.flush();
            self.settle(done);
        }
    }

    fn settle(&mut self, done: io::Result<()>) {
        if let Err(error) = done {
            self.closed = true;
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.failed = Some(error);
            }
        }
    }
}

/// What a command printed, for tests: both streams without their styles.
#[cfg(test)]
pub(crate) struct Page {
    out: Shared,
    err: Shared,
}

#[cfg(test)]
impl Ui {
    /// Returns streams that write to a page.
    pub(crate) fn on_page(voice: Voice) -> (Self, Page) {
        let page = Page { out: Shared::default(), err: Shared::default() };
        let strip = |stream: &Shared| anstream::StripStream::new(Box::new(stream.clone()) as Box<dyn Write>);
        (Self::over(voice, strip(&page.out), strip(&page.err)), page)
    }
}

#[cfg(test)]
impl Page {
    /// Returns what stands on stdout and on stderr.
    pub(crate) fn finish(self, ui: Ui) -> (String, String) {
        ui.finish().expect("memory takes everything");
        (self.out.text(), self.err.text())
    }
}

#[cfg(test)]
#[derive(Clone, Default)]
struct Shared(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

#[cfg(test)]
impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).expect("squad prints text")
    }
}

#[cfg(test)]
impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::code::ErrorCode;

    /// Prints one of everything and returns stdout and stderr, without styles.
    fn everything(voice: Voice, hostile: &str) -> (String, String) {
        let (mut ui, page) = Ui::on_page(voice);
        let mut table = Table::new(&[30, 30]);
        table.row([Cell::styled(BAD, hostile), hostile.into()]);
        ui.answer(&Answer::new("show").with("task", json!({ "title": hostile, hostile: 1 })), |ui| {
            ui.line(Line::new().styled(STRONG, hostile).text(hostile));
            ui.block("  ", hostile);
            ui.table(&table);
        });
        ui.note(hostile);
        ui.warn(hostile);
        ui.detail(1, hostile);
        let failure = Failure::new(ErrorCode::Invalid, hostile).why(hostile).hint(hostile).with("text", hostile);
        ui.failure(Some("show"), &failure);
        page.finish(ui)
    }

    proptest! {
        #[test]
        fn nothing_that_is_printed_can_steer_the_terminal(
            hostile in "[\\x00-\\x1f\\x7f-\\u{9f}\\u{200b}-\\u{202e}\\u{2066}\\u{feff}a\\\\\"{}]{0,12}",
            json in any::<bool>(),
        ) {
            let (out, err) = everything(Voice { json, verbose: 1, ..Voice::default() }, &hostile);
            for c in out.chars().chain(err.chars()) {
                // A tab moves within its line only; blocks keep it.
                prop_assert!(c == '\n' || c == '\t' || !escape::is_hidden(c), "{:?}", c);
            }
            if json {
                prop_assert_eq!(out.lines().count(), 2, "each object on a line of its own");
            }
        }
    }

    #[test]
    fn under_json_stdout_holds_objects_only_and_a_failure_is_told_once() {
        let (out, err) = everything(Voice { json: true, quiet: true, ..Voice::default() }, "x");
        assert!(out.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok_and(|v| v.is_object())));
        assert_eq!(err, "");
    }

    #[test]
    fn quiet_keeps_data_and_failures() {
        let (out, err) = everything(Voice { quiet: true, verbose: 3, ..Voice::default() }, "x");
        assert_eq!(out, "xx\n  x\nx  x\n");
        assert_eq!(err, "error: x\n  caused by: x\nhint: x\n");
    }

    #[test]
    fn a_blocker_is_one_line_and_the_only_one() {
        for voice in
            [Voice::default(), Voice { json: true, ..Voice::default() }, Voice { quiet: true, ..Voice::default() }]
        {
            let (mut ui, page) = Ui::on_page(voice);
            ui.blocker("the remote\nis gone");
            ui.warn("a broken file");
            ui.blocker("again");
            assert_eq!(page.finish(ui), (String::new(), "BLOCKER: the remote\\nis gone\n".to_owned()));
        }
    }

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_failure_but_a_full_disk_is() {
        for (kind, fine) in [(io::ErrorKind::BrokenPipe, true), (io::ErrorKind::StorageFull, false)] {
            let mut ui = Ui::over(Voice::default(), BufWriter::new(Broken(kind)), io::sink());
            ui.line("one");
            ui.flush();
            ui.line("two");
            assert_eq!(ui.finish().is_ok(), fine, "{kind}");
        }
    }
}
