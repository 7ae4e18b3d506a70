//! How a failure looks: three lines for a person, one object for a program.

use serde_json::{Map, Value, json};

use super::ui::{ANSWER_VERSION, BAD, HINT, Line, escape_line, one_line};
use crate::ops::failure::Failure;

/// Longest part of a failure in text, in characters. A reader pays for each of them; the JSON has everything.
const LONGEST_PART: usize = 500;

/// Returns the lines for stderr: what failed, why, what to do next, each no longer than `LONGEST_PART`.
pub fn text(failure: &Failure) -> Vec<Line> {
    let mut lines = vec![Line::new().styled(BAD, "error:").text(" ").text(&brief(&failure.message))];
    lines.extend(failure.why.as_ref().map(|why| Line::new().text("  caused by: ").text(&brief(why))));
    lines.extend(failure.hint.as_ref().map(|hint| Line::new().styled(HINT, "hint:").text(" ").text(&brief(hint))));
    lines
}

/// Returns the text, cut where it is too long. What was hidden is spelled out first, since that makes it longer.
fn brief(text: &str) -> String {
    let mut safe = escape_line(text);
    if let Some((end, _)) = safe.char_indices().nth(LONGEST_PART) {
        safe.truncate(end);
        safe.push('…');
    }
    safe
}

/// Returns the object for stdout, on one line. `command` is absent where no verb was understood.
pub fn json(command: Option<&str>, failure: &Failure) -> String {
    let mut error = Map::new();
    error.insert("code".to_owned(), json!(failure.code));
    error.insert("message".to_owned(), json!(failure.message));
    error.insert("why".to_owned(), json!(failure.why));
    error.insert("hint".to_owned(), json!(failure.hint));
    error.insert("retryable".to_owned(), json!(failure.retryable));
    for (key, value) in &*failure.data {
        error.entry(key.clone()).or_insert_with(|| value.clone());
    }
    let envelope: Value = json!({ "v": ANSWER_VERSION, "ok": false, "command": command, "error": error });
    one_line(&envelope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::code::ErrorCode;

    fn lost() -> Failure {
        Failure::new(ErrorCode::LostRace, "cannot claim mc-042: already held by aria")
            .why("lease renewed 12s ago, runs until 14:32:10Z")
            .hint("`squad next` picks another; `squad show mc-042` shows the holder")
            .with("task", "mc-042")
            .with("holder", "aria")
            .with("code", "not-this")
    }

    fn plain(failure: &Failure) -> String {
        let lines: Vec<_> =
            text(failure).iter().map(|l| anstream::adapter::strip_str(l.rendered()).to_string()).collect();
        lines.join("\n")
    }

    #[test]
    fn a_person_reads_what_why_and_what_next() {
        insta::assert_snapshot!(plain(&lost()), @r"
        error: cannot claim mc-042: already held by aria
          caused by: lease renewed 12s ago, runs until 14:32:10Z
        hint: `squad next` picks another; `squad show mc-042` shows the holder
        ");
    }

    #[test]
    fn a_failure_with_nothing_but_a_message_is_one_line() {
        insta::assert_snapshot!(plain(&Failure::new(ErrorCode::NotFound, "no task \u{1b}[31mmc-9\n")), @r"error: no task \u{1b}[31mmc-9\n");
    }

    #[test]
    fn each_part_is_cut_where_it_is_too_long_even_if_it_is_hostile() {
        for filler in ["x", "\u{202e}", "e\u{301}", "漢"] {
            let long = filler.repeat(10_000);
            let text = plain(&Failure::new(ErrorCode::Invalid, &long).why(&long).hint(&long));
            assert!(text.chars().count() < 2_000, "{} characters", text.chars().count());
            assert_eq!(text.lines().count(), 3);
            assert!(text.ends_with('…'));
        }
    }

    #[test]
    fn a_program_reads_one_object_whose_own_keys_no_data_can_replace() {
        insta::assert_snapshot!(json(Some("claim"), &lost()), @r#"{"v":1,"ok":false,"command":"claim","error":{"code":"lost-race","message":"cannot claim mc-042: already held by aria","why":"lease renewed 12s ago, runs until 14:32:10Z","hint":"`squad next` picks another; `squad show mc-042` shows the holder","retryable":false,"task":"mc-042","holder":"aria"}}"#);
        insta::assert_snapshot!(json(None, &Failure::new(ErrorCode::Undecided, "no answer")), @r#"{"v":1,"ok":false,"command":null,"error":{"code":"undecided","message":"no answer","why":null,"hint":null,"retryable":true}}"#);
    }
}
