//! Deciding who belongs to the board: `init`, and changes of the roster.

use super::{Decider, refused};
use crate::model::board::{Board, BoardFault, Changeset, Decision, Unchanged};
use crate::model::config::{Agent, ApprovalGate, BoardConfig};
use crate::model::id::AgentName;
use crate::model::locks::{Coordination, LocksFile, derive, updated};
use crate::model::operation::Operation;
use crate::model::refusal::Refusal;
use crate::model::requirement::may_change_roster;
use crate::model::task::Subtask;
use crate::model::transition::Who;
use crate::model::vocabulary::{AgentKind, Role};

impl Decider<'_> {
    pub(super) fn agents_add(&self, actor: &Agent, agent: &Agent) -> Decision {
        if let Some(refusal) = self.may_not_change_roster(actor, agent.role) {
            return refused(refusal);
        }
        if let Some(known) = self.config.agent(&agent.name) {
            if known == agent {
                let why = format!("{} is already in the roster", agent.name);
                return Decision::Unchanged(Unchanged { task: None, why });
            }
            return refused(Refusal::Invalid {
                message: format!("{} is already in the roster as {}", agent.name, known.role),
                pointer: "/args/agent/name".to_owned(),
                hint: format!("`squad agents remove {}` first, or choose another name", agent.name),
            });
        }
        let mut config = self.config.clone();
        config.agents.push(agent.clone());
        config_change(config)
    }

    pub(super) fn agents_remove(&self, actor: &Agent, name: &AgentName) -> Decision {
        let Some(known) = self.config.agent(name) else {
            return refused(Refusal::NotFound { what: "agent", name: name.to_string() });
        };
        if let Some(refusal) = self.may_not_change_roster(actor, known.role) {
            return refused(refusal);
        }
        let owners = self.config.agents.iter().filter(|a| a.role == Role::Owner).count();
        if known.role == Role::Owner && owners == 1 {
            return refused(Refusal::Invalid {
                message: format!("{name} is the only owner"),
                pointer: "/args/name".to_owned(),
                hint: "add another owner first: somebody must be able to change the roster".to_owned(),
            });
        }
        let mut config = self.config.clone();
        config.agents.retain(|a| a.name != *name);
        config_change(config)
    }

    /// Only the owner and the chief change the roster, and only an owner makes or unmakes an owner.
    fn may_not_change_roster(&self, actor: &Agent, role: Role) -> Option<Refusal> {
        let allowed = may_change_roster(actor.role) && (role != Role::Owner || actor.role == Role::Owner);
        (!allowed).then(|| Refusal::NotPermitted {
            verb: self.operation.verb(),
            task: None,
            actor: actor.name.clone(),
            role: actor.role,
            who: if role == Role::Owner { vec![Who::Owner] } else { vec![Who::Chief, Who::Owner] },
        })
    }
}

fn config_change(config: BoardConfig) -> Decision {
    Decision::Applied(Box::new(Changeset { config: Some(config), ..Changeset::default() }))
}

pub(super) fn init(
    board: &dyn Board,
    operation: &Operation,
    branch: &str,
    agents: &[Agent],
    gate: Option<&ApprovalGate>,
) -> Result<Decision, BoardFault> {
    if board.config()?.is_some() {
        return Ok(Decision::Unchanged(Unchanged { task: None, why: "there is a board already".to_owned() }));
    }
    let mut config = BoardConfig::new(branch, agents.to_vec());
    if let Some(gate) = gate {
        config.policy.gate = gate.clone();
    }
    let mut warnings = Vec::new();
    for task in board.live()? {
        let names = task
            .assigned
            .iter()
            .chain(&task.participants)
            .chain(task.claim.iter().map(|c| &c.agent))
            .chain(task.subtasks.iter().filter_map(Subtask::owner));
        for name in names {
            if config.agent(name).is_some() {
                continue;
            }
            match AgentName::new(name.as_str()) {
                Ok(name) => config.agents.push(Agent::new(name, Role::Executor, AgentKind::Agent)),
                Err(bad) => {
                    let warning = format!("{bad}; it is left out of the roster");
                    if !warnings.contains(&warning) {
                        warnings.push(warning);
                    }
                }
            }
        }
    }
    let old = board.locks()?;
    let work = derive(board.live()?.iter().map(|card| &**card));
    let locks = match &*old {
        LocksFile::Absent => Some(Coordination::new(work, operation.at)),
        LocksFile::Ours(_) => updated(&old, work, operation.at),
        LocksFile::Foreign { looks_like } => {
            warnings.push(format!("{} is not squad's ({looks_like}) and is left alone", config.locks.file));
            None
        }
        LocksFile::Broken { why, .. } => {
            warnings.push(format!("{} is broken and is left alone: {why}", config.locks.file));
            None
        }
    };
    let changes = Changeset { config: Some(config), locks, founding: true, warnings, ..Changeset::default() };
    Ok(Decision::Applied(Box::new(changes)))
}
