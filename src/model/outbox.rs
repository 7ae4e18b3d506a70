//! An outbox: the operations that a clone has announced and that nobody has decided yet, as text.
//!
//! Owns the format and its limits. Whoever may push can write anything here, so a reader takes what is whole and in
//! order, and stops at the first thing that it does not understand: what comes after may depend on it.

use super::id::OpId;
use super::operation::Operation;

/// Most operations that one outbox announces.
pub const MAX_OPERATIONS: usize = 32;

/// Most bytes of an outbox.
pub const MAX_BYTES: usize = 256 * 1024;

/// First words of an outbox.
const TITLE: &str = "squad outbox";

/// What a clone has announced.
#[derive(Debug, Clone, PartialEq)]
pub struct Outbox {
    /// The clone whose it is.
    pub clone: String,
    /// Rises with each time that the outbox is replaced.
    pub sequence: u64,
    /// The operations, in the order in which they were made.
    pub operations: Vec<Operation>,
    /// Why the operations end where they do, where that is not the end of the text.
    pub fault: Option<OutboxFault>,
}

/// What is wrong with an outbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboxFault {
    /// It is larger than an outbox may be.
    #[error("it has {bytes} bytes, more than the {MAX_BYTES} that an outbox may have")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// It is no outbox.
    #[error("it does not begin as an outbox does")]
    NoTitle,
    /// It announces too many operations.
    #[error("it announces {found} operations, more than the {MAX_OPERATIONS} that an outbox may have")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// One of its operations cannot be read: damaged, or of a newer squad.
    #[error("its operation {number} cannot be read: {why}")]
    Unreadable {
        /// Which, counted from 1.
        number: usize,
        /// Why.
        why: String,
    },
    /// It announces one operation twice.
    #[error("it announces {id} twice")]
    Twice {
        /// Which.
        id: OpId,
    },
}

/// Returns an outbox as text.
pub fn write<'a>(clone: &str, sequence: u64, operations: impl IntoIterator<Item = &'a Operation>) -> String {
    let mut text = format!("{TITLE} {clone} {sequence}\n\n");
    for operation in operations {
        text.push_str(&operation.canonical());
        text.push('\n');
    }
    text
}

/// Returns how many bytes an operation takes in an outbox.
pub fn room_for(operation: &Operation) -> usize {
    operation.canonical().len() + 1
}

/// Reads an outbox.
///
/// # Errors
/// [`OutboxFault`] where nothing of it can be used. An operation that cannot be read is no error: the outbox ends
/// before it, and says so.
pub fn read(text: &str) -> Result<Outbox, OutboxFault> {
    if text.len() > MAX_BYTES {
        return Err(OutboxFault::TooLarge { bytes: text.len() as u64 });
    }
    let (title, body) = text.split_once("\n\n").or_else(|| text.split_once('\n')).ok_or(OutboxFault::NoTitle)?;
    let rest = title.strip_prefix(TITLE).and_then(|rest| rest.strip_prefix(' ')).ok_or(OutboxFault::NoTitle)?;
    let (clone, sequence) = rest.split_once(' ').ok_or(OutboxFault::NoTitle)?;
    let sequence = sequence.trim_end().parse().map_err(|_| OutboxFault::NoTitle)?;
    let lines: Vec<&str> = body.lines().filter(|line| !line.is_empty()).collect();
    if lines.len() > MAX_OPERATIONS {
        return Err(OutboxFault::TooMany { found: lines.len() });
    }
    let mut outbox = Outbox { clone: clone.to_owned(), sequence, operations: Vec::new(), fault: None };
    for (n, line) in lines.into_iter().enumerate() {
        match serde_json::from_str::<Operation>(line) {
            // One that would be written otherwise than it stands holds something that this build does not know.
            Ok(operation) if operation.canonical() != line => {
                let why = "it is not in the form that this squad writes".to_owned();
                outbox.fault = Some(OutboxFault::Unreadable { number: n + 1, why });
                break;
            }
            Ok(operation) if outbox.operations.iter().any(|known| known.id == operation.id) => {
                outbox.fault = Some(OutboxFault::Twice { id: operation.id });
                break;
            }
            Ok(operation) => outbox.operations.push(operation),
            Err(error) => {
                outbox.fault = Some(OutboxFault::Unreadable { number: n + 1, why: error.to_string() });
                break;
            }
        }
    }
    Ok(outbox)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{AgentName, Millis, TaskId};
    use crate::model::operation::{Action, Basis};

    fn comment(n: u8) -> Operation {
        Operation {
            id: OpId::from_parts(Millis(1_700_000_000_000), [n; 10]),
            action: Action::Comment { text: format!("line one\nline {n}"), also: Vec::new() },
            task: Some(TaskId::new("t-1").expect("an id")),
            actor: AgentName::new("scout").expect("a name"),
            basis: Basis::default(),
            at: Millis(1_700_000_000_000),
            signature: None,
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let operations = [comment(1), comment(2)];
        let text = write("abc", 7, &operations);
        let outbox = read(&text).expect("an outbox");
        assert_eq!(
            outbox,
            Outbox { clone: "abc".to_owned(), sequence: 7, operations: operations.to_vec(), fault: None }
        );
        let empty = read(&write("abc", 8, [])).expect("an outbox");
        assert!(empty.operations.is_empty() && empty.sequence == 8);
    }

    #[test]
    fn an_operation_that_is_not_understood_ends_the_outbox() {
        let good = comment(1).canonical();
        for (bad, number) in [
            ("{".to_owned(), 2),
            (good.replace("\"comment\"", "\"teleport\""), 2),
            (good.replace("\"at\"", "\"signedBy\":\"x\",\"at\""), 2),
        ] {
            let text = format!("squad outbox abc 1\n\n{good}\n{bad}\n{}\n", comment(3).canonical());
            let outbox = read(&text).expect("the first is whole");
            assert_eq!(outbox.operations, [comment(1)], "{bad}");
            assert!(
                matches!(outbox.fault, Some(OutboxFault::Unreadable { number: found, .. }) if found == number),
                "{bad}: {:?}",
                outbox.fault
            );
        }
        let twice = format!("squad outbox abc 1\n\n{good}\n{good}\n");
        assert_eq!(read(&twice).expect("the first is whole").fault, Some(OutboxFault::Twice { id: comment(1).id }));
    }

    #[test]
    fn what_is_no_outbox_or_too_much_is_refused_whole() {
        for text in ["", "hello", "squad outbox\n\n", "squad outbox abc\n\n", "squad outbox abc x\n\n"] {
            assert_eq!(read(text), Err(OutboxFault::NoTitle), "{text:?}");
        }
        let many: Vec<Operation> = (0..33).map(comment).collect();
        assert_eq!(read(&write("abc", 1, &many)), Err(OutboxFault::TooMany { found: 33 }));
        let huge = format!("squad outbox abc 1\n\n{}", "x".repeat(MAX_BYTES));
        assert!(matches!(read(&huge), Err(OutboxFault::TooLarge { .. })));
    }
}
