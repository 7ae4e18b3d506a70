//! Every rule that a violation can name, and why there is such a rule.
//!
//! Owns the list that `docs/rules.md` and the reports for other tools are made from.

use crate::schema::Severity;
use crate::schema::Severity::{Error, Warning};

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its stable word.
    pub code: &'static str,
    /// How bad a violation is, where it is not said to be milder.
    pub severity: Severity,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// Why there is the rule, in a sentence or two.
    pub why: &'static str,
}

const fn error(code: &'static str, title: &'static str, why: &'static str) -> Rule {
    Rule { code, severity: Error, title, why }
}

const fn warning(code: &'static str, title: &'static str, why: &'static str) -> Rule {
    Rule { code, severity: Warning, title, why }
}

/// Every rule, by what it looks at: a file's bytes, its values, one task, the board, a change, the history.
#[rustfmt::skip]
pub static RULES: &[(&str, &[Rule])] = &[
    ("A file", &[
        error("not-a-file", "a board file is a link, a submodule or executable", "A link can lead out of the repository, and a mode that git does not give by itself is a mistake or an attack."),
        error("not-a-folder", "something stands where a folder of the board should", "It hides every task that was there, and none can be written below it."),
        error("bad-file-name", "a task's file has a name that no id may be", "Names become paths, refs and arguments: what is no plain word can mean another file on another system."),
        error("too-large", "a file is larger than a file of the board may be", "Every agent reads it, and pays for it."),
        error("unreadable", "a file cannot be read", "What cannot be read cannot be judged."),
        error("bom", "a file begins with a byte order mark", "JSON has none, and some readers refuse it."),
        error("invalid-utf8", "a file is not UTF-8", "JSON is UTF-8; anything else is read differently by different programs."),
        error("invalid-json", "a file is no JSON", "Half a file, or conflict markers."),
        error("trailing-data", "something stands after the end of the document", "One program would read it and the other would not."),
        error("duplicate-key", "a key stands twice in one object", "Programs differ in which of the two they take."),
        error("too-deep", "values are nested too deeply", "Reading it could exhaust a reader's stack."),
        error("lone-surrogate", "an escape stands for half a character", "No text can hold it, so rewriting the file would change it."),
    ]),
    ("A value", &[
        error("missing-field", "a field that must be there is not", "The step or the file is not complete without it."),
        error("wrong-type", "a value is of another type", "It would be read as something else or not at all."),
        error("unknown-word", "a word is none of its set", "Nobody knows what is meant by it."),
        error("wrong-value", "a value is none that may stand there", "It would be read as something else or not at all."),
        error("out-of-range", "a number is too small or too large", "It cannot be meant."),
        error("wrong-length", "a text is too short or too long", "A one-line field is shown in one line."),
        error("wrong-count", "a list has too few or too many items", "The step asks for so many."),
        error("bad-id", "a key or value is no task id", "Ids become file names."),
        error("bad-form", "a text does not have the form of its field", "It would be read as something else or not at all."),
        error("control-character", "a one-line field has control characters", "Terminals obey them: a title could clear the screen or forge a line."),
        error("direction-mark", "a text has marks that turn the direction of writing", "What is shown would not be what is there."),
        error("newer-schema", "a file is of a newer version", "An older squad would damage what it does not know."),
        error("more", "a file has more violations than are told", "One broken file can have thousands."),
        warning("unknown-field", "squad does not know a field", "It is kept; it may be a slip of the keyboard."),
    ]),
    ("A task", &[
        error("id-mismatch", "the id is not the file's name", "A task is found by its name."),
        error("wrong-folder", "a task stands in the folder of another status", "What is put away and what is worked on are told apart by the folder."),
        error("claim-status", "a claim and the status contradict each other", "Exactly what is in progress has a holder."),
        error("claim-epoch", "a claim's epoch is above the task's", "The epoch fences off former holders: it must never be ahead."),
        error("not-blocked", "a task has the fields of a block and is not blocked", "Readers would take it for blocked."),
        error("incomplete-completion", "a completed task does not say by whom and when", "A completion without an author proves nothing."),
        error("history-status", "the history ends in another status", "Somebody changed the status past the machine."),
        error("time-order", "instants of a task are out of order", "What was changed last cannot have been changed before it was made."),
        error("secret", "a text looks like a key or a password", "What was pushed stays known to everybody who fetched it, whatever is removed later; so the verbs refuse it as well. What is none is marked in the list `notSecret` of the same file, by the mark that the message gives."),
    ]),
    ("The board", &[
        error("no-config", "there are tasks and no configuration", "Without a roster nobody may do anything."),
        error("duplicate-agent", "two members have the same name", "Names do not differ by case."),
        warning("unknown-agent", "a task names somebody who is not in the roster", "They can do nothing, and nobody notices."),
        error("duplicate-id", "two files stand for one task", "Which of the two counts?"),
        error("case-twin", "two ids differ only in case", "On some systems they are the same file."),
        error("dangling-reference", "a task names one that is not on the board", "It would wait for ever, or be a part of nothing."),
        error("cycle", "tasks wait for each other in a circle", "None of them could ever be claimed."),
        error("locks-missing", "tasks hold paths and there is no locks file", "Other tools would see no locks."),
        error("locks-stale", "the locks file is not what the tasks say", "It is a view of the tasks: an entry that no task stands behind is forged or left over."),
        error("locks-place", "the locks file would stand where another file of the board stands", "Writing the one would destroy the other."),
        warning("locks-foreign", "the locks file is another tool's", "squad leaves it alone, so it tells nobody of squad's locks."),
        warning("locks-overlap", "two tasks hold a path in common", "Both would change the same file."),
        warning("missing-path", "a task that was handed in names a path that is not in the tree", "Whoever looks for the work finds nothing. Only `review` and `completed` are asked, since what is yet to be done may be yet to be made; globs, and boards on a branch of their own, are not. Work that removes a file, or is not merged yet, has it as well."),
        error("archive-place", "a task that was put away lies in no folder of a month", "It is looked for in `squad/tasks/archived/YYYY-MM/`: anywhere else nobody finds it, and its id is free to be taken again."),
        warning("archive-month", "a folder of the archive is not named as a month is", "What was put away is kept by month, so that people find it by when."),
        warning("evidence-changed", "evidence is no longer what it was", "The proof was of another content."),
    ]),
    ("A change", &[
        error("illegal-transition", "a step that the state machine does not have", "A status means what it means because there is one way to it."),
        error("unrecorded-transition", "a status changed without an entry in the history", "Nobody could tell who did it, and when."),
        error("not-permitted", "a change by somebody whose role does not allow it", "Who may do what is the board's, and not the editor's."),
        error("not-holder", "a step of the holder by somebody else", "One task has one holder."),
        error("lost-race", "a claim of a task that somebody else holds", "One task has one holder."),
        error("stale-epoch", "a step under a claim that is over", "A holder that was overtaken writes no more."),
        error("evidence-missing", "a completion without evidence that is newer than the claim", "Done is what somebody can look at."),
        error("dependency-open", "a step before what it waits for is done", "That is what a dependency means."),
        error("limit-reached", "more claims than an agent may have", "Work that one agent sits on is work that nobody does."),
        error("path-locked", "a path that the work of somebody else holds", "Two who change one file lose the work of one."),
        error("not-found", "a step that names what is not there", "It can mean nothing."),
        error("invalid", "a step with a value that may not stand there", "It would be read as something else or not at all."),
        error("unknown-actor", "a step by somebody in no roster", "Only members act on the board."),
        error("foreign-actor", "words or steps in the name of somebody else", "A name that anybody can write proves nothing."),
        error("automatic-field", "a field that squad sets is not what it would have set", "Epochs, claims and instants fence off former holders; by hand they fence off nobody."),
        error("history-rewritten", "an entry of the history is gone or another", "The history only grows."),
        error("chat-rewritten", "a message is gone or another", "What was said was said."),
        error("evidence-rewritten", "evidence is gone or another", "What was handed in was handed in."),
        error("subtask-rewritten", "a subtask is gone or another", "Work is done when its parts are: a part that vanishes was never done."),
        error("participant-removed", "somebody is no longer among the participants", "Who has had a hand in a task stays in it: gates count them."),
        error("time-ahead", "`updatedAt` is later than the change itself", "Time never falls: every later step, the end of a lease among them, would be dated as late."),
        error("time-fell", "`updatedAt` is earlier than before", "Readers go by it to tell old from new."),
        error("task-deleted", "the file of a task is gone", "A task that is given up is put away, with a reason, and can be brought back."),
        error("roster-change", "a change of roster or settings by somebody who may not", "Whoever can write the roster can do everything; so it is judged by the roster before."),
        error("unexplained", "a commit that carries no operation changes the board in a way that the rules do not allow", "Hand-made commits keep the rules as well."),
    ]),
    ("The history", &[
        error("forged-receipt", "a receipt does not fit the operation that it carries", "The receipt is what people read, the operation what is decided."),
        error("unverified", "an operation is not signed by its actor", "Where a board asks for signatures, a name without one proves nothing."),
        error("done-twice", "an operation is carried out twice", "An operation happens once."),
        error("refused-after-done", "an operation is called refused after it was carried out", "It was told two ways."),
        error("done-after-refusal", "an operation is carried out after it was refused", "It was told two ways."),
        error("not-in-line", "an operation is carried out where none can be", "The board is one line of commits."),
        error("not-allowed", "an operation would have been refused", "The commit was made past the machine."),
        error("other-content", "a commit's file is not what its operation makes of it", "Something was slipped in."),
        error("beyond-operation", "a commit changes a file that its operation does not touch", "Something was slipped in."),
        error("undecidable", "an operation cannot be decided on the commit before", "The board was broken there."),
    ]),
];

/// What somebody may have meant to do, the worst first: of many violations these are shown before the slips.
const FIRST: &[&str] = &[
    "secret",
    "roster-change",
    "foreign-actor",
    "unknown-actor",
    "unverified",
    "forged-receipt",
    "other-content",
    "beyond-operation",
    "not-in-line",
    "not-allowed",
    "history-rewritten",
    "chat-rewritten",
    "evidence-rewritten",
    "subtask-rewritten",
    "participant-removed",
    "task-deleted",
    "locks-foreign",
    "not-a-file",
    "not-a-folder",
    "path-locked",
    "lost-race",
    "not-holder",
    "stale-epoch",
    "not-permitted",
    "automatic-field",
    "illegal-transition",
    "unrecorded-transition",
    "evidence-missing",
    "unexplained",
];

/// Returns how far down a violation of that rule stands where not all are shown; less is more important.
pub fn rank(code: &str) -> usize {
    FIRST.iter().position(|first| *first == code).unwrap_or(FIRST.len())
}

/// Returns the rule of that word.
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().flat_map(|(_, rules)| rules.iter()).find(|rule| rule.code == code)
}

/// Returns the page about the rules, as Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# Rules\n\nWhat `squad check`, the pre-commit hook, `squad review` and `squad audit` look for. Each violation names one of these\nwords, which stay the same; its own sentence says what is wrong in the file at hand, and what to do. Errors fail a check,\nwarnings do not.\n",
    );
    for (section, rules) in RULES {
        page.push_str(&format!("\n## {section}\n"));
        for rule in *rules {
            let severity = if rule.severity == Warning { "Warning" } else { "Error" };
            page.push_str(&format!("\n### {}\n\n{severity}: {}. {}\n", rule.code, rule.title, rule.why));
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_first_is_a_rule() {
        for code in FIRST {
            assert!(rule(code).is_some(), "{code}");
        }
        assert!(rank("secret") < rank("path-locked") && rank("path-locked") < rank("wrong-type"));
    }
}
