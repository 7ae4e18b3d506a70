//! Who wants what, and what may go wrong.

use squad::model::operation::{Action, NewTask};

use crate::protocol::{Protocol, Seeded};
use crate::sim::id;
use crate::state::Budget;
use crate::world::{Planned, World};

pub const NOTHING_FAILS: Budget = Budget { timeouts: 0, crashes: 0, duplicates: 0, refusals: 0, foreign: 0 };

fn planned(clone: u8, actor: &'static str, task: &'static str, action: Action) -> Planned {
    Planned { clone, actor, task, action, epoch: None, after: None }
}

pub fn claim(clone: u8, actor: &'static str, task: &'static str) -> Planned {
    planned(clone, actor, task, Action::Claim { plan: None })
}

pub fn comment(clone: u8, actor: &'static str, task: &'static str) -> Planned {
    planned(clone, actor, task, Action::Comment { text: "seen".to_owned(), also: Vec::new() })
}

pub fn release(clone: u8, actor: &'static str, task: &'static str) -> Planned {
    planned(clone, actor, task, Action::Release { note: "no time".to_owned(), unassign: true })
}

pub fn new(clone: u8, actor: &'static str, task: &'static str) -> Planned {
    let made = NewTask { id: Some(id(task)), title: "one more".to_owned(), ..NewTask::default() };
    planned(clone, actor, task, Action::New { tasks: vec![made] })
}

impl Planned {
    /// Names this epoch, whatever the head says.
    pub fn under(mut self, epoch: u8) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// Is made only once that one was told as done.
    pub fn after(mut self, op: u8) -> Self {
        self.after = Some(op);
        self
    }
}

const ONE_TASK: &[(&str, &[&str])] = &[("page", &[])];
const SAME_PATHS: &[(&str, &[&str])] = &[("page", &["src/page/**"]), ("form", &["src/page/form.rs"])];

impl Protocol {
    pub fn new(tasks: &[(&str, &[&str])], plan: Vec<Planned>, left: Budget) -> Self {
        let clones = plan.iter().map(|p| p.clone + 1).max().expect("somebody wants something");
        let world = World::new(tasks, plan);
        Self {
            world,
            clones,
            left,
            seeded: None,
            alone_after: 1,
            one_fetch: false,
            two_moves: false,
            made_first: false,
            scans: false,
            asks: crate::properties::all,
        }
    }

    pub fn without(mut self, seeded: Seeded) -> Self {
        self.seeded = Some(seeded);
        self
    }

    pub fn alone_after(mut self, refusals: u8) -> Self {
        self.alone_after = refusals;
        self
    }

    pub fn with_two_moves(mut self) -> Self {
        self.two_moves = true;
        self
    }

    pub fn with_one_fetch(mut self) -> Self {
        self.one_fetch = true;
        self
    }

    pub fn with_all_made_first(mut self) -> Self {
        self.made_first = true;
        self
    }

    pub fn with_scans(mut self) -> Self {
        self.scans = true;
        self
    }
}

/// Two clones want the same task.
pub fn rivals(left: Budget) -> Protocol {
    Protocol::new(ONE_TASK, vec![claim(0, "scout", "page"), claim(1, "vault", "page")], left)
}

/// The same agent claims the same task in two clones: one of them finds nothing to do.
pub fn twice_the_same(left: Budget) -> Protocol {
    Protocol::new(ONE_TASK, vec![claim(0, "scout", "page"), claim(1, "scout", "page")], left)
}

/// A claim and a comment: neither refuses the other.
pub fn claim_and_comment(left: Budget) -> Protocol {
    Protocol::new(ONE_TASK, vec![claim(0, "scout", "page"), comment(1, "vault", "page")], left)
}

/// A claim, its release, and a claim that was made under the epoch before.
pub fn old_epoch(left: Budget) -> Protocol {
    let plan = vec![claim(0, "scout", "page"), release(0, "scout", "page").after(0), claim(1, "vault", "page")];
    Protocol::new(ONE_TASK, plan, left)
}

/// A holder of the same name on two machines: the first claim ends, a second begins, and a release of the first one
/// is still about.
pub fn zombie(left: Budget) -> Protocol {
    let plan = vec![
        claim(0, "scout", "page").under(0),
        release(0, "scout", "page").under(1).after(0),
        release(0, "scout", "page").under(1),
        claim(1, "scout", "page"),
    ];
    Protocol::new(ONE_TASK, plan, left)
}

/// Two tasks that touch the same paths: the claim of one is refused while the other is held, and possible after.
pub fn same_paths(left: Budget) -> Protocol {
    let plan = vec![claim(0, "scout", "page"), release(0, "scout", "page").after(0), claim(1, "vault", "form")];
    Protocol::new(SAME_PATHS, plan, left)
}

/// Two clones with two operations each.
pub fn two_by_two(left: Budget) -> Protocol {
    let plan = vec![
        claim(0, "scout", "page"),
        comment(0, "scout", "page"),
        claim(1, "vault", "page"),
        comment(1, "vault", "page"),
    ];
    Protocol::new(ONE_TASK, plan, left)
}

/// Three clones with one operation each, two of them rivals by path.
pub fn three(left: Budget) -> Protocol {
    let plan = vec![claim(0, "scout", "page"), claim(1, "vault", "form"), comment(2, "olga", "page")];
    Protocol::new(SAME_PATHS, plan, left)
}

/// A claim that is made while its clone's push is under way, of a task that is free by then.
pub fn late_claim(left: Budget) -> Protocol {
    let plan = vec![
        comment(0, "vault", "page"),
        claim(0, "vault", "form"),
        claim(1, "scout", "page"),
        release(1, "scout", "page").after(2),
    ];
    Protocol::new(SAME_PATHS, plan, left)
}

/// Two clones make a task of the same id: the loser's refusal is final.
pub fn same_id(left: Budget) -> Protocol {
    Protocol::new(ONE_TASK, vec![new(0, "scout", "note"), new(1, "vault", "note")], left)
}

/// Four clones that are in nobody's way but on the same line.
pub fn four(left: Budget) -> Protocol {
    let plan = vec![
        comment(0, "olga", "page"),
        comment(1, "chip", "page"),
        comment(2, "scout", "page"),
        comment(3, "vault", "page"),
    ];
    Protocol::new(ONE_TASK, plan, left)
}

/// One clone against two, the first of which has two things to say, one after the other.
pub fn one_against_two(left: Budget) -> Protocol {
    let plan = vec![
        comment(0, "olga", "page"),
        comment(1, "chip", "page"),
        comment(1, "chip", "page").after(1),
        comment(2, "scout", "page"),
    ];
    Protocol::new(ONE_TASK, plan, left)
}

/// One clone against another that has much to say.
pub fn one_against_many(left: Budget) -> Protocol {
    let plan = vec![
        comment(0, "olga", "page"),
        comment(1, "chip", "page"),
        comment(1, "chip", "page").after(1),
        comment(1, "chip", "page").after(2),
    ];
    Protocol::new(ONE_TASK, plan, left)
}
