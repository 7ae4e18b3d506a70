//! Text that a command reads from a file or from stdin, within bounds.
//!
//! What comes in was written by others: too much of it, or bytes that are no text, is refused before anybody
//! looks inside.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::args::{Input, Text};
use crate::model::code::ErrorCode;
use crate::ops::failure::Failure;

/// Longest text for one field: what a task file may weigh as a whole.
const TEXT_MAX: u64 = 1024 * 1024;

/// Longest file of tasks: room for thousands of them, and still little memory.
const FILE_MAX: u64 = 16 * 1024 * 1024;

impl Text {
    /// Returns the text, from stdin where that was asked for, without the line break at its end.
    ///
    /// # Errors
    /// `invalid` for more than 1 MiB or what is not UTF-8, `internal` where reading fails.
    pub fn read(&self, stdin: impl Read) -> Result<String, Failure> {
        match self {
            Self::Given(text) => Ok(text.clone()),
            Self::Stdin => bounded(stdin, TEXT_MAX, "stdin").map(|text| text.trim_end_matches(['\r', '\n']).to_owned()),
        }
    }
}

impl Input {
    /// Returns what stands in the file, which is relative to `base`, or on stdin.
    ///
    /// # Errors
    /// `not-found` where there is no such file, `invalid` for more than 16 MiB or what is not UTF-8, `internal` where
    /// reading fails.
    pub fn read(&self, base: &Path, stdin: impl Read) -> Result<String, Failure> {
        match self {
            Self::Stdin => bounded(stdin, FILE_MAX, "stdin"),
            Self::File(path) => {
                let name = path.display().to_string();
                let file = File::open(base.join(path)).map_err(|error| unreadable(&name, &error))?;
                bounded(file, FILE_MAX, &name)
            }
        }
    }
}

fn bounded(from: impl Read, max: u64, name: &str) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells a full measure from too much.
    from.take(max + 1).read_to_end(&mut bytes).map_err(|error| unreadable(name, &error))?;
    if bytes.len() as u64 > max {
        let message = format!("{name} is longer than {} MiB", max / 1024 / 1024);
        return Err(Failure::new(ErrorCode::Invalid, message).hint("give it in several parts"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new(ErrorCode::Invalid, format!("{name} is not UTF-8"))
            .why(format!("the byte at offset {at} is not"))
            .hint("write it as UTF-8")
    })
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    let code = if error.kind() == io::ErrorKind::NotFound { ErrorCode::NotFound } else { ErrorCode::Internal };
    Failure::new(code, format!("cannot read {name}"))
        .caused_by(error)
        .hint("name a file that can be read, or `-` for standard input")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_text_is_what_was_typed_or_what_stands_on_stdin() {
        assert_eq!(Text::Given("a\n".to_owned()).read(&b"b"[..]), Ok("a\n".to_owned()));
        assert_eq!(Text::Stdin.read(&b"one\ntwo\r\n\n"[..]), Ok("one\ntwo".to_owned()));
    }

    #[test]
    fn a_file_is_read_from_where_the_command_runs() {
        let dir = tempfile::tempdir().expect("a folder");
        #[expect(clippy::disallowed_methods, reason = "nobody else reads it")]
        std::fs::write(dir.path().join("tasks.json"), "[]").expect("a file");
        let read = |name: &str| Input::File(PathBuf::from(name)).read(dir.path(), io::empty());
        assert_eq!(read("tasks.json"), Ok("[]".to_owned()));
        let missing = read("none.json").expect_err("no file");
        assert_eq!((missing.code, missing.message.as_str()), (ErrorCode::NotFound, "cannot read none.json"));
    }

    #[test]
    fn too_much_and_what_is_no_text_is_refused() {
        let endless = Text::Stdin.read(io::repeat(b'x')).expect_err("endless");
        assert_eq!((endless.code, endless.message.as_str()), (ErrorCode::Invalid, "stdin is longer than 1 MiB"));
        let full = vec![b'x'; 1024 * 1024];
        assert!(Text::Stdin.read(&full[..]).is_ok(), "a full measure is not too much");
        let binary = Text::Stdin.read(&b"ok\xff"[..]).expect_err("not text");
        assert_eq!((binary.code, binary.why.as_deref()), (ErrorCode::Invalid, Some("the byte at offset 2 is not")));
    }
}
