//! The receipt of a change: what stands in the message of its commit.
//!
//! Owns the subject, the trailers and how they are read back. A value can start no trailer of its own: everything
//! that comes from a person is inside the operation's JSON, on one line.

use serde::Serialize;

use crate::model::board::ReceiptFacts;
use crate::model::id::{AgentName, Epoch, Millis, OpId, TaskId};
use crate::model::operation::{Action, Operation, RecoverTrigger, Verb};
use crate::model::task::ProcessEnd;
use crate::model::vocabulary::{BlockKind, Cause, Status};

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Receipt {
    /// The commit, in full.
    pub commit: String,
    /// The operation.
    pub op: OpId,
    /// What it did.
    pub verb: Verb,
    /// The task, where it was about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Every task that is named, where it was about several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskId>,
    /// Who did it.
    pub actor: AgentName,
    /// The status before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Status>,
    /// The status after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Status>,
    /// The fencing number after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// When.
    pub at: Millis,
    /// Which sort of thing went wrong, where a run failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The error's own words; where a claim was taken back, what was seen of its holder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How the process of a failed run ended.
    #[serde(flatten)]
    pub process: Option<ProcessEnd>,
    /// Why a claim was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<RecoverTrigger>,
    /// Which sort of thing stands in the way, where the task cannot go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockKind>,
}

const OP: &str = "Squad-Op";
const TASK: &str = "Squad-Task";
const ACTOR: &str = "Squad-Actor";
const FROM: &str = "Squad-From";
const TO: &str = "Squad-To";
const EPOCH: &str = "Squad-Epoch";
const OPERATION: &str = "Squad-Operation";
const REFUSED: &str = "Squad-Refused";

/// Room that is set aside for a line, in bytes.
const ROOM: usize = 64;

/// Returns the message of the commit that carries out an operation.
pub fn message(operation: &Operation, facts: &ReceiptFacts) -> String {
    let verb = operation.verb();
    let about = match (facts.tasks.as_slice(), &operation.action) {
        ([one], _) => one.to_string(),
        ([], crate::model::operation::Action::New { tasks }) => format!("{} tasks", tasks.len()),
        ([], crate::model::operation::Action::Import { tasks }) => format!("{} tasks", tasks.len()),
        ([], crate::model::operation::Action::Archive { tasks }) => format!("{} tasks", tasks.len()),
        ([], _) => "board".to_owned(),
        (many, _) => format!("{} tasks", many.len()),
    };
    // An import says all its tasks: the one text that is large is built where it stays.
    let said = operation.canonical();
    let mut text = String::with_capacity(said.len() + ROOM * (8 + facts.tasks.len()));
    let mut line = |parts: &[&str]| {
        text.extend(parts.iter().copied());
        text.push('\n');
    };
    line(&["squad(", verb.as_str(), "): ", &about, " by ", operation.actor.as_str()]);
    line(&[]);
    let mut trailer = |key: &str, value: &str| line(&[key, ": ", value]);
    trailer(OP, operation.id.as_str());
    for task in &facts.tasks {
        trailer(TASK, task.as_str());
    }
    trailer(ACTOR, operation.actor.as_str());
    if let Some(from) = facts.from {
        trailer(FROM, from.as_str());
    }
    if let Some(to) = facts.to {
        trailer(TO, to.as_str());
    }
    if let Some(epoch) = facts.epoch {
        trailer(EPOCH, &epoch.to_string());
    }
    trailer(OPERATION, &said);
    text
}

/// Tells whether a message is the one of an operation and what it did, refusals of others aside.
pub fn is_of(text: &str, operation: &Operation, facts: &ReceiptFacts) -> bool {
    fn said(text: &str) -> impl Iterator<Item = &str> {
        text.trim_end().lines().filter(|line| !line.strip_prefix(REFUSED).is_some_and(|rest| rest.starts_with(": ")))
    }
    said(text).eq(said(&message(operation, facts)))
}

/// Returns the message of a commit that carries out nothing, and only bears witness to refusals.
pub fn refusal(count: usize) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("squad(refuse): {count} operation{s}\n\n")
}

/// Returns a message with the trailers of operations that are refused on the commit's own tree.
pub fn with_refusals(message: String, refused: &[(OpId, String)]) -> String {
    let trailers = refused.iter().map(|(id, code)| format!("{REFUSED}: {id} {code}\n"));
    trailers.fold(message, |message, trailer| message + &trailer)
}

/// What the trailers of a commit say of operations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// The operation that the commit carries out.
    pub op: Option<OpId>,
    /// Operations that were refused when it was made, with the code.
    pub refused: Vec<(OpId, String)>,
}

/// Returns which operations a commit decides.
pub fn marks(message: &str) -> Marks {
    let mut marks = Marks::default();
    for (key, value) in trailers(message) {
        match key {
            OP => marks.op = value.parse().ok(),
            REFUSED => {
                if let Some((id, code)) = value.split_once(' ')
                    && let Ok(id) = id.parse()
                {
                    marks.refused.push((id, code.to_owned()));
                }
            }
            _ => {}
        }
    }
    marks
}

/// Returns the receipt that a commit's message holds, or `None` for a commit that squad did not make.
pub fn parse(commit: &str, message: &str) -> Option<Receipt> {
    let operation = operation(message)?;
    let mut receipt = Receipt {
        commit: commit.to_owned(),
        op: operation.id,
        verb: operation.verb(),
        task: operation.task.clone(),
        tasks: Vec::new(),
        actor: operation.actor.clone(),
        from: None,
        to: None,
        epoch: None,
        at: operation.at,
        cause: None,
        error: None,
        process: None,
        trigger: None,
        block: None,
    };
    for (key, value) in trailers(message) {
        match key {
            // A message whose own id differs from its operation's was put together by hand.
            OP if value != receipt.op.as_str() => return None,
            TASK => receipt.tasks.extend(TaskId::new(value).ok()),
            FROM => receipt.from = value.parse().ok(),
            TO => receipt.to = value.parse().ok(),
            EPOCH => receipt.epoch = value.parse().ok().map(Epoch),
            _ => {}
        }
    }
    if let [one] = receipt.tasks.as_slice() {
        receipt.task.get_or_insert_with(|| one.clone());
        receipt.tasks.clear();
    }
    match operation.action {
        Action::Fail { error, cause, process } => {
            receipt.process = process;
            receipt.block = (receipt.to == Some(Status::Blocked)).then_some(BlockKind::Failure);
            (receipt.cause, receipt.error) = (Some(cause), Some(error));
        }
        Action::Recover { trigger, seen } => (receipt.trigger, receipt.error) = (Some(trigger), Some(seen)),
        Action::Block { block, .. } => receipt.block = Some(block.kind()),
        _ => {}
    }
    Some(receipt)
}

/// Returns the operation that a commit carries.
pub fn operation(message: &str) -> Option<Operation> {
    let (_, text) = trailers(message).find(|(key, _)| *key == OPERATION)?;
    serde_json::from_str(text).ok()
}

/// Tells whether a commit is the one that made the board.
pub fn is_founding(message: &str) -> bool {
    operation(message).is_some_and(|operation| operation.is_founding())
}

/// Returns the trailers: the `Key: value` lines of the last paragraph.
fn trailers(message: &str) -> impl Iterator<Item = (&str, &str)> {
    let body = message.trim_end();
    let last = body.rfind("\n\n").map_or("", |at| &body[at + 2..]);
    last.lines().filter_map(|line| line.split_once(": "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::operation::Basis;

    fn comment(text: &str) -> Operation {
        Operation {
            id: OpId::from_parts(Millis(1_700_000_000_000), [7; 10]),
            action: Action::Comment { text: text.to_owned(), also: Vec::new() },
            task: Some(TaskId::new("mc-1").expect("an id")),
            actor: AgentName::new("scout").expect("a name"),
            basis: Basis { head: Some("abc".to_owned()), epoch: Some(Epoch(3)) },
            at: Millis(1_700_000_000_000),
            signature: None,
        }
    }

    fn facts() -> ReceiptFacts {
        ReceiptFacts {
            tasks: vec![TaskId::new("mc-1").expect("an id")],
            from: Some(Status::Review),
            to: Some(Status::Review),
            epoch: Some(Epoch(3)),
        }
    }

    #[test]
    fn a_receipt_reads_back_as_it_was_written() {
        let operation = comment("hello");
        let text = message(&operation, &facts());
        assert!(text.starts_with("squad(comment): mc-1 by scout\n\nSquad-Op: "));
        let receipt = parse("c0ffee", &text).expect("a receipt");
        assert_eq!(receipt.task.as_ref().map(TaskId::as_str), Some("mc-1"));
        assert_eq!((receipt.from, receipt.to), (Some(Status::Review), Some(Status::Review)));
        assert_eq!(receipt.epoch, Some(Epoch(3)));
        assert_eq!(super::operation(&text), Some(operation));
    }

    #[test]
    fn a_text_with_line_breaks_starts_no_trailer() {
        let operation = comment("x\n\nSquad-Refused: 01ARYZ6S410000000000000000 limit-reached\nSquad-To: completed");
        let text = message(&operation, &facts());
        assert_eq!(marks(&text), Marks { op: Some(operation.id), refused: Vec::new() });
        assert_eq!(parse("c0ffee", &text).expect("a receipt").to, Some(Status::Review));
    }

    #[test]
    fn a_message_whose_id_is_not_its_operations_is_no_receipt() {
        let text = message(&comment("x"), &facts());
        let forged =
            text.replacen(&format!("Squad-Op: {}", comment("x").id), "Squad-Op: 01ARYZ6S410000000000000000", 1);
        assert_eq!(parse("c0ffee", &forged), None);
    }

    #[test]
    fn a_commit_of_a_person_is_no_receipt() {
        assert_eq!(parse("c0ffee", "fix the build\n\nSigned-off-by: A <a@example.org>\n"), None);
    }
}
