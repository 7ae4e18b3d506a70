//! What a verb is given to say, looked at before anything of it leaves the machine: what was pushed stays known.
//!
//! What looks like a secret is `review`'s to tell. Owns which parts of an action are looked at, and the refusal.

use serde_json::{Value, json};

use super::failure::Failure;
use super::session::{View, document};
use crate::model::code::ErrorCode;
use crate::model::id::TaskId;
use crate::model::imported::ImportedTask;
use crate::model::operation::Action;
use crate::review::secrets::{Suspicion, suspicions};
use crate::schema::NOT_SECRET;

impl View {
    /// Refuses an action that would put on the board what looks like a secret and is not there yet.
    ///
    /// # Errors
    /// [`Failure`] `invalid` with the first place of the action.
    pub(super) fn must_keep_secrets(&self, task: Option<&TaskId>, action: &Action) -> Result<(), Failure> {
        let mut found = in_action(action, None);
        if found.is_empty() {
            return Ok(());
        }
        if let Some(task) = task
            && let Some(known) = document(&self.snapshot, task)?
        {
            found = in_action(action, Some(&known));
        }
        let Some(first) = found.first() else { return Ok(()) };
        let pointer = format!("/args{}", first.pointer);
        let more = if found.len() > 1 { format!(", and {} more", found.len() - 1) } else { String::new() };
        Err(Failure::new(ErrorCode::Invalid, format!("{}{more}; nothing was written", first.message))
            .why("what is pushed stays known to everybody who fetches it")
            .hint(hint(task, action, &first.mark))
            .with("pointer", json!(pointer)))
    }
}

fn hint(task: Option<&TaskId>, action: &Action, mark: &str) -> String {
    let first = "name where it is kept, and not the thing itself";
    match (task, action) {
        (Some(task), _) => format!(
            "{first}; where it is no secret, add \"{mark}\" to the list `{NOT_SECRET}` in the file of {task}, commit and push that, and say it again"
        ),
        (None, Action::New { .. } | Action::Import { .. }) => format!(
            "{first}; where it is no secret, give the task the field `\"{NOT_SECRET}\": [\"{mark}\"]`: `squad new --from` and `squad import` keep it"
        ),
        _ => first.to_owned(),
    }
}

/// Of many new tasks each is looked at by itself: together they may be large.
fn in_action(action: &Action, known: Option<&Value>) -> Vec<Suspicion> {
    let look = |value: Result<Value, serde_json::Error>| suspicions(&value.unwrap_or_default(), known);
    let each = |nth: usize, found: Vec<Suspicion>| {
        found.into_iter().map(move |one| Suspicion { pointer: format!("/tasks/{nth}{}", one.pointer), ..one })
    };
    match action {
        Action::New { tasks } => {
            tasks.iter().enumerate().flat_map(|(n, task)| each(n, look(serde_json::to_value(task)))).collect()
        }
        Action::Import { tasks } => {
            let whole = |one: &ImportedTask| {
                let mut task = serde_json::to_value(&one.task)?;
                task["stands"] = serde_json::to_value(&one.stands)?;
                Ok(task)
            };
            tasks.iter().enumerate().flat_map(|(n, one)| each(n, look(whole(one)))).collect()
        }
        other => look(serde_json::to_value(other)),
    }
}
