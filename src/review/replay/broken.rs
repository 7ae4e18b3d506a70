//! Why an entry of a history cannot be followed, and how that is told.

use crate::model::id::{AgentName, in_command};
use crate::model::operation::Verb;
use crate::model::refusal::Refusal;
use crate::model::task::{Completion, HistoryEntry, Task};
use crate::model::transition::legal_verbs;
use crate::model::vocabulary::{Phase, Status};
use crate::schema::Violation;

/// Why one reading of an entry does not hold.
pub(super) enum Stop {
    /// The machine refuses it.
    Refused(Box<Refusal>),
    /// It leads elsewhere.
    Leads(Status),
    /// It takes back a completion by somebody else, or with something else.
    TakesBack(Option<AgentName>),
}

impl Stop {
    pub fn refused(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }

    /// Returns why a task that a step led to is not what its entry says; nothing where it is.
    pub fn unless_it_led_there(task: &Task, entry: &HistoryEntry) -> Option<Self> {
        if task.status != entry.state {
            return Some(Self::Leads(task.status));
        }
        let said = entry.completion.as_deref();
        let had = task.state_history.last().and_then(|made| made.completion.as_deref());
        let who_and_what = |c: &Completion| (c.completed_by.clone(), c.verified_by.clone(), c.deliverable.clone());
        (had.map(who_and_what) != said.map(who_and_what))
            .then(|| Self::TakesBack(had.and_then(|had| had.completed_by.clone())))
    }
}

/// Why no reading of an entry holds.
pub(super) enum Broken {
    Refused { verb: Verb, actor: AgentName, refusal: Box<Refusal> },
    Says { code: &'static str, message: String, hint: String },
}

impl Broken {
    pub fn at(stop: Stop, verb: Verb, entry: &HistoryEntry) -> Self {
        let (actor, command) = (&entry.actor, verb.command());
        match stop {
            Stop::Refused(refusal) => Self::Refused { verb, actor: actor.clone(), refusal },
            Stop::Leads(to) => Self::illegal(
                format!("the {command} by {actor} leads to {to}, and the entry says {}", entry.state),
                format!("write {to}, or take the entry out and use the verb itself"),
            ),
            Stop::TakesBack(had) => {
                let had = had.map_or_else(String::new, |by| format!(" by {by}"));
                Self::illegal(
                    format!(
                        "the {command} by {actor} takes back a completion{had}, and the entry does not tell of that one"
                    ),
                    "put into `completion` what the task was completed with, or use the verb itself".to_owned(),
                )
            }
        }
    }

    pub fn unknown_actor(actor: &AgentName) -> Self {
        Self::Says {
            code: "unknown-actor",
            message: format!("{actor} is in no roster and cannot have moved the task"),
            hint: format!("`squad agents add {} --role executor`, or correct the name", in_command(actor.as_str())),
        }
    }

    pub fn unknown_verb(trigger: &str) -> Self {
        Self::illegal(
            format!("no verb is called {:?}", trigger.chars().take(80).collect::<String>()),
            "a trigger is the verb that was used, such as `claim`".to_owned(),
        )
    }

    pub fn no_way(phase: Phase, entry: &HistoryEntry) -> Self {
        let legal: Vec<&str> = legal_verbs(phase).into_iter().map(Verb::command).collect();
        Self::illegal(
            match &entry.trigger {
                Some(trigger) => format!("{trigger} leaves no entry in the history of a task that is {phase}"),
                None => format!("nothing leads from {phase} to {}", entry.state),
            },
            format!("from {phase} there are: {}", legal.join(", ")),
        )
    }

    fn illegal(message: String, hint: String) -> Self {
        Self::Says { code: "illegal-transition", message, hint }
    }

    pub fn violation(&self, path: &str, pointer: &str) -> Violation {
        match self {
            Self::Refused { verb, actor, refusal } => {
                let why = refusal.why().map(|why| format!(": {why}")).unwrap_or_default();
                let message = format!("the {} by {actor} would be refused: {}{why}", verb.command(), refusal.message());
                let hint = refusal.hint().unwrap_or_else(|| "take the change back, and use the verb itself".to_owned());
                Violation::error(refusal.code().as_str(), path, pointer, message, hint)
            }
            Self::Says { code, message, hint } => Violation::error(code, path, pointer, message, hint.clone()),
        }
    }
}
