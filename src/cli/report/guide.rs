//! The part of an `AGENTS.md` that tells agents how this board is used, made from its roster.
//!
//! Whatever stands in the roster is text to whoever reads this: no name or domain becomes markup or a command.

use super::markdown::cell;
use crate::model::config::BoardConfig;
use crate::model::id::AgentName;
use crate::model::vocabulary::ReviewPolicy;

/// Returns the guide as Markdown: for one member, where it is said who reads it.
pub(in crate::cli) fn guide(config: &BoardConfig, reader: Option<&AgentName>) -> String {
    // A name that no member may be given is nothing for a command line.
    let name = reader.and_then(|name| AgentName::new(name.as_str()).ok());
    let name = name.as_ref().map_or("NAME", AgentName::as_str);
    let hand_in = match config.policy.review {
        ReviewPolicy::Required => {
            "`squad submit T --deliverable D --summary S --run \"TESTS\"`; somebody else approves it"
        }
        _ => "`squad complete T --deliverable D --summary S --run \"TESTS\"`, or `squad submit` for a review",
    };
    let mut text = format!(
        "## Tasks

The tasks of this repository are on a squad board. Every change is one pushed commit, and counts only with exit 0.

- Look: `squad scan --agent {name}`; `HEARTBEAT_OK` means nothing to do. Answer whoever asks: `squad comment T TEXT`.
- Take: `squad claim T --agent {name}`, or `--next`, before any work. Exit 6 or 7: another has it, or its paths; take another.
- Work: `squad files add T PATH` for what you touch, `squad progress T --step S` for how far you are.
- Stuck: `squad block T --kind human|external|dependency|conflict --reason R`; not yours: `squad release T --note N`.
- Done: {hand_in}. A proof is asked for.
- Do not: edit `squad/` or the locks by hand, use another's name, work on what you do not hold, force-push the board.

| name | role | kind | domain |
|---|---|---|---|
"
    );
    for agent in &config.agents {
        let (role, kind) = (agent.role.as_str(), agent.kind.as_str());
        let domain = agent.domain.map_or("", |domain| domain.as_str());
        text.push_str(&format!("| {} | {role} | {kind} | {domain} |\n", cell(agent.name.as_str())));
    }
    text
}
