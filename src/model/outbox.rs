//! An outbox: the operations that one clone announces, as text.
//!
//! Owns the form and its caps. What comes in was written by others, so that a fault is named and never guessed around;
//! an operation of a later squad is no fault, but nothing behind it may be touched.

use std::fmt;

use super::operation::Operation;

/// Most bytes of an outbox.
pub const LARGEST: usize = 256 * 1024;

/// Most operations of an outbox.
pub const MOST: usize = 32;

/// What an outbox begins with.
const SUBJECT: &str = "squad outbox";

/// Longest name of a clone, in bytes.
const LONGEST_NAME: usize = 64;

/// What one clone announces.
#[derive(Debug, Clone, PartialEq)]
pub struct Outbox {
    /// The clone: lower-case letters, digits and dashes.
    pub clone: String,
    /// How often the clone has written it; only rises.
    pub sequence: u64,
    /// Its operations, in the order in which they are to be decided.
    pub operations: Vec<Operation>,
    /// The first one that this squad does not understand. It and what stands behind it is not for this squad.
    pub beyond: Option<Beyond>,
}

/// An operation that a later squad has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beyond {
    /// Its place among the operations, from 1.
    pub place: usize,
    /// Its verb.
    pub verb: String,
}

/// Why a text is no outbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboxFault {
    /// It is larger than an outbox may be.
    #[error("it has {size} bytes, more than {LARGEST}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// It holds more operations than an outbox may.
    #[error("it holds {count} operations, more than {MOST}")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// Its first line says that a later squad has written it in another form.
    #[error("it is of a newer form than this squad knows: {subject:?}")]
    Newer {
        /// The first line, cut short.
        subject: String,
    },
    /// Its first line is not that of an outbox.
    #[error("it does not begin as an outbox does: {subject:?}")]
    Subject {
        /// The first line, cut short.
        subject: String,
    },
    /// A line is no operation of any squad.
    #[error("operation {place} cannot be read: {reason}")]
    Broken {
        /// Its place among the operations, from 1.
        place: usize,
        /// Why not.
        reason: String,
    },
}

impl Outbox {
    /// Reads an outbox.
    ///
    /// # Errors
    /// [`OutboxFault`]; nothing of such an outbox counts.
    pub fn parse(text: &str) -> Result<Self, OutboxFault> {
        if text.len() > LARGEST {
            return Err(OutboxFault::TooLarge { size: text.len() });
        }
        let (subject, body) = text.split_once('\n').unwrap_or((text, ""));
        let (clone, sequence) = read_subject(subject)?;
        let lines: Vec<&str> = body.lines().filter(|line| !line.trim().is_empty()).collect();
        if lines.len() > MOST {
            return Err(OutboxFault::TooMany { count: lines.len() });
        }
        let mut outbox = Self { clone, sequence, operations: Vec::with_capacity(lines.len()), beyond: None };
        for (i, line) in lines.iter().enumerate() {
            match serde_json::from_str::<Operation>(line) {
                Ok(operation) if outbox.beyond.is_none() => outbox.operations.push(operation),
                Ok(_) => {}
                Err(error) => {
                    let verb = verb_of_a_later_squad(line).ok_or_else(|| OutboxFault::Broken {
                        place: i + 1,
                        reason: error.to_string().chars().take(200).collect(),
                    })?;
                    outbox.beyond.get_or_insert(Beyond { place: i + 1, verb });
                }
            }
        }
        Ok(outbox)
    }
}

impl fmt::Display for Outbox {
    /// Writes it in the form that [`Outbox::parse`] reads. What another squad stands behind is not written again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SUBJECT} {} {}\n\n", self.clone, self.sequence)?;
        self.operations.iter().try_for_each(|operation| writeln!(f, "{}", operation.canonical()))
    }
}

fn read_subject(subject: &str) -> Result<(String, u64), OutboxFault> {
    let cut = || subject.chars().take(80).collect::<String>();
    let bad = || OutboxFault::Subject { subject: cut() };
    let rest = subject.strip_prefix(SUBJECT).and_then(|rest| rest.strip_prefix(' ')).ok_or_else(bad)?;
    let words: Vec<&str> = rest.split(' ').collect();
    let [clone, sequence, more @ ..] = &words[..] else { return Err(bad()) };
    let is_name = !clone.is_empty()
        && clone.len() <= LONGEST_NAME
        && clone.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let is_number = !sequence.is_empty() && sequence.bytes().all(|b| b.is_ascii_digit());
    let sequence = sequence.parse().ok().filter(|_| is_number && is_name).ok_or_else(bad)?;
    if more.is_empty() { Ok(((*clone).to_owned(), sequence)) } else { Err(OutboxFault::Newer { subject: cut() }) }
}

/// Tells an operation that is whole but not understood from a line that is none: it has an id, a verb and an actor.
fn verb_of_a_later_squad(line: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| value.get(key).and_then(serde_json::Value::as_str);
    text("id")?.parse::<super::id::OpId>().ok()?;
    text("actor")?;
    text("verb").map(|verb| verb.chars().take(40).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::id::{AgentName, Epoch, Millis, OpId, TaskId};
    use crate::model::operation::{Action, Basis};

    fn operation(n: u8, text: &str) -> Operation {
        Operation {
            id: OpId::from_parts(Millis(1_700_000_000_000), [n; 10]),
            action: Action::Comment { text: text.to_owned() },
            task: Some(TaskId::new("mc-1").expect("an id")),
            actor: AgentName::new("scout").expect("a name"),
            basis: Basis { head: Some("a".repeat(40)), epoch: Some(Epoch(3)) },
            at: Millis(1_700_000_000_000),
        }
    }

    fn with(lines: &[String]) -> String {
        format!("squad outbox c-1 7\n\n{}", lines.join("\n"))
    }

    proptest! {
        #[test]
        fn an_outbox_reads_back_as_it_was_written(
            clone in "[a-z0-9-]{1,64}",
            sequence in any::<u64>(),
            texts in proptest::collection::vec(".{0,40}", 0..MOST),
        ) {
            let operations = texts.iter().enumerate().map(|(i, text)| operation(i as u8, text)).collect();
            let outbox = Outbox { clone, sequence, operations, beyond: None };
            prop_assert_eq!(Outbox::parse(&outbox.to_string()), Ok(outbox));
        }

        #[test]
        fn no_text_is_too_strange_to_be_judged(text in "(squad outbox )?[ -~\\n\\u{0}é]{0,200}") {
            let _ = Outbox::parse(&text);
        }
    }

    #[test]
    fn an_operation_of_a_later_squad_stops_the_outbox_and_is_no_fault() {
        let known = operation(1, "x").canonical();
        let later = operation(2, "x").canonical().replacen("\"comment\"", "\"teleport\"", 1);
        let outbox = Outbox::parse(&with(&[known.clone(), later, known])).expect("an outbox");
        assert_eq!(outbox.operations, [operation(1, "x")], "what stands behind it is not for us");
        assert_eq!(outbox.beyond, Some(Beyond { place: 2, verb: "teleport".to_owned() }));
    }

    #[test]
    fn a_line_that_is_no_operation_is_a_fault_with_its_place() {
        for line in ["{", "[]", "{\"verb\":\"comment\"}", "{\"id\":\"x\",\"verb\":\"a\",\"actor\":\"b\"}"] {
            let fault = Outbox::parse(&with(&[operation(1, "x").canonical(), line.to_owned()])).expect_err(line);
            assert!(matches!(fault, OutboxFault::Broken { place: 2, .. }), "{line}: {fault}");
        }
    }

    #[test]
    fn what_is_larger_than_it_may_be_is_refused_before_it_is_read() {
        let many = vec![operation(1, "x").canonical(); MOST + 1];
        assert_eq!(Outbox::parse(&with(&many)), Err(OutboxFault::TooMany { count: MOST + 1 }));
        assert!(Outbox::parse(&with(&many[1..])).is_ok());
        let large = with(&[operation(1, &"x".repeat(LARGEST)).canonical()]);
        assert_eq!(Outbox::parse(&large), Err(OutboxFault::TooLarge { size: large.len() }));
    }

    #[test]
    fn the_first_line_tells_an_outbox_from_everything_else() {
        for subject in [
            "",
            "squad outbox",
            "squad outbox c-1",
            "squad outbox c-1 x",
            "squad outbox C 1",
            "fix it",
            "squad outbox c-1 -1",
            "squad outbox ../a 1",
        ] {
            let fault = Outbox::parse(&format!("{subject}\n\n")).expect_err(subject);
            assert!(matches!(fault, OutboxFault::Subject { .. }), "{subject}: {fault}");
        }
        let newer = Outbox::parse("squad outbox c-1 7 v2\n\n").expect_err("a newer form");
        assert!(matches!(newer, OutboxFault::Newer { .. }), "{newer}");
        assert_eq!(Outbox::parse("squad outbox c-1 7").expect("an empty one").operations, []);
    }
}
