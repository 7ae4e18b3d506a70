//! One process of a clone, as the publish loop sees the world through it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use squad::board::render::{Overlay, files_of};
use squad::board::snapshot::Snapshot;
use squad::model::board::{Board, Changeset, Decided};
use squad::model::id::OpId;
use squad::model::operation::Operation;
use squad::ops::publish::{
    Announced, Answer, Draft, Entry, Exposure, Moved, Pushed, Sealed, Shared, Standing, Trouble,
};

use super::stage::Stage;
use super::world::{Bug, Flight, Stored, Told, Version, World};

/// One process of a clone, as the publish loop sees the world.
pub(super) struct Process {
    pub(super) stage: Arc<Stage>,
    pub(super) process: usize,
    pub(super) clone: usize,
    /// Whether it leads without the lock, and so only for itself.
    pub(super) alone: bool,
    pub(super) own: Option<Operation>,
    pub(super) others: Vec<Announced>,
    pub(super) begun: Duration,
    pub(super) answered: Vec<OpId>,
}

impl Process {
    pub(super) fn name(clone: usize) -> String {
        format!("clone-{clone}")
    }

    pub(super) fn take(&self, time: u64) {
        self.stage.world().clock += Duration::from_millis(time);
        self.stage.step(self.process);
    }
}

pub(super) struct Changes {
    pub(super) files: Overlay,
    pub(super) board: Snapshot,
    pub(super) base: usize,
    pub(super) steps: Vec<(Operation, Overlay)>,
    pub(super) decided: HashMap<OpId, Decided>,
}

impl Draft for Changes {
    fn board(&mut self) -> &dyn Board {
        &self.board
    }

    fn add(&mut self, operation: &Operation, changes: Changeset) -> Result<(), Trouble> {
        let files = files_of(&self.board, &changes).expect("what was decided keeps the rules");
        self.files.apply(&files);
        self.decided.insert(operation.id, Decided { commit: "c".to_owned(), refused: None });
        self.board = Snapshot::new(Box::new(self.files.clone())).with_decided(self.decided.clone());
        self.steps.push((operation.clone(), self.files.clone()));
        Ok(())
    }
}

impl Shared for Process {
    type Head = usize;
    type Draft = Changes;

    fn recent(&mut self) -> Option<usize> {
        None
    }

    fn fetch(&mut self) -> Result<usize, Trouble> {
        self.take(20);
        let head = {
            let mut world = self.stage.world();
            world.meanwhile();
            if world.goes_wrong(2) {
                return Err(Trouble::Unreachable("the line is dead".to_owned()));
            }
            world.tip
        };
        // Others may come between the two looks.
        self.take(1);
        let mut world = self.stage.world();
        let own = Self::name(self.clone);
        world.clones[self.clone].seen = world.outboxes.get(&own).map_or(0, |(sequence, _)| *sequence);
        let others = world.outboxes.iter().filter(|(clone, _)| **clone != own);
        self.others = others
            .map(|(clone, (_, operations))| Announced { clone: clone.clone(), operations: operations.clone() })
            .collect();
        if world.setting.bug == Some(Bug::Help) {
            self.others.clear();
        }
        Ok(head)
    }

    fn entries(&mut self) -> Result<Vec<Entry<usize>>, Trouble> {
        let world = self.stage.world();
        let entry = |stored: &Stored| Entry {
            operation: stored.operation.clone(),
            exposure: stored.exposure.clone(),
            orphan: !stored.alive,
        };
        let mut entries: Vec<_> = world.clones[self.clone].queue.iter().map(entry).collect();
        if self.alone {
            entries.retain(|e| self.own.as_ref().is_some_and(|own| own.id == e.operation.id));
        }
        if let Some(own) = &self.own
            && !entries.iter().any(|e| e.operation.id == own.id)
        {
            entries.push(Entry { operation: own.clone(), exposure: Exposure::None, orphan: false });
        }
        entries.retain(|e| !self.answered.contains(&e.operation.id));
        Ok(entries)
    }

    fn announced(&mut self) -> Vec<Announced> {
        self.others.clone()
    }

    fn standing(&mut self, head: &usize, operation: &Operation) -> Result<Standing, Trouble> {
        let world = self.stage.world();
        if world.setting.bug == Some(Bug::LookUp) {
            return Ok(Standing::Open);
        }
        let basis: usize = operation.basis.head.as_deref().and_then(|h| h.parse().ok()).expect("it names a version");
        if !world.line(*head).contains(&basis) {
            return Ok(Standing::Elsewhere);
        }
        Ok(world.decided(*head).remove(&operation.id).map_or(Standing::Open, Standing::Decided))
    }

    fn draft(&mut self, head: &usize) -> Result<Changes, Trouble> {
        let world = self.stage.world();
        let decided = HashMap::new();
        let files = world.versions[*head].files.clone();
        Ok(Changes { board: world.snapshot(*head), files, base: *head, steps: Vec::new(), decided })
    }

    fn seal(&mut self, draft: Changes, refused: &[(OpId, String)]) -> Result<Sealed<usize>, Trouble> {
        let mut world = self.stage.world();
        let mut head = draft.base;
        let mut commits = Vec::new();
        let known = |world: &World, id: OpId| {
            let announced = self.others.iter().flat_map(|o| &o.operations);
            let queued = world.clones[self.clone].queue.iter().map(|s| &s.operation);
            announced.chain(queued).chain(&self.own).find(|o| o.id == id).cloned().expect("it came from somewhere")
        };
        let mut witness: Vec<_> = refused.iter().map(|(id, code)| (known(&world, *id), Some(code.clone()))).collect();
        if world.setting.bug == Some(Bug::Record) {
            witness.clear();
        }
        let count = draft.steps.len();
        let mut steps: Vec<(Overlay, Vec<_>)> =
            draft.steps.into_iter().map(|(operation, files)| (files, vec![(operation, None)])).collect();
        if count == 0 {
            steps.push((draft.files, Vec::new()));
        }
        steps.last_mut().expect("there is one").1.append(&mut witness);
        for (files, entries) in steps {
            let depth = world.versions[head].depth + 1;
            let ids: Vec<OpId> = entries.iter().filter(|(_, r)| r.is_none()).map(|(o, _)| o.id).collect();
            world.versions.push(Version { files, entries, parent: Some(head), depth });
            head = world.versions.len() - 1;
            commits.extend(ids.into_iter().map(|id| (id, head.to_string())));
        }
        Ok(Sealed { head, commits, last: head.to_string() })
    }

    fn announces(&self, _: bool) -> bool {
        true
    }

    fn remember(&mut self, exposed: &[(OpId, Exposure<usize>)]) -> Result<(), Trouble> {
        let mut world = self.stage.world();
        if world.setting.bug == Some(Bug::Sync) {
            return Ok(());
        }
        for (id, exposure) in exposed {
            let own = self.own.clone().filter(|own| own.id == *id);
            let queue = &mut world.clones[self.clone].queue;
            match queue.iter_mut().find(|s| s.operation.id == *id) {
                Some(stored) => stored.exposure = exposure.clone(),
                None => {
                    queue.extend(own.map(|operation| Stored { operation, exposure: exposure.clone(), alive: true }));
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, from: &usize, to: &usize, outbox: Option<&[Operation]>) -> Result<Pushed, Trouble> {
        self.take(20);
        let name = Self::name(self.clone);
        let (flight, lost, late, silent, principle) = {
            let mut world = self.stage.world();
            world.meanwhile();
            let seen = world.clones[self.clone].seen;
            let outbox =
                outbox.map(|operations| (seen, world.made * 1000 + world.versions.len() as u64, operations.to_vec()));
            let flight = Flight { from: *from, to: *to, clone: name, outbox };
            (flight, world.goes_wrong(3), world.goes_wrong(3), world.goes_wrong(3), world.goes_wrong(4))
        };
        let unknown = || Pushed {
            board: Moved::Unknown { reason: "the line went dead".to_owned() },
            outbox: Some(Moved::Unknown { reason: "the line went dead".to_owned() }),
        };
        if lost {
            return Ok(unknown());
        }
        if late {
            self.stage.world().on_the_way.push(flight);
            return Ok(unknown());
        }
        let no = |on_principle| Moved::Rejected { reason: "no".to_owned(), on_principle };
        if principle {
            let outbox = self.stage.world().post(&flight);
            return Ok(Pushed { board: no(true), outbox: outbox.map(|o| if o { Moved::Landed } else { no(false) }) });
        }
        let board = self.stage.world().arrive(&flight);
        // A push that is not atomic: others may come between its two refs, and its server may die there.
        self.take(1);
        if self.stage.world().goes_wrong(6) {
            return Ok(unknown());
        }
        let outbox = self.stage.world().post(&flight);
        if silent {
            return Ok(unknown());
        }
        let told = |moved| if moved { Moved::Landed } else { no(false) };
        Ok(Pushed { board: told(board), outbox: outbox.map(told) })
    }

    fn confirm(&mut self, _: &usize) {
        // A process may die after its push and before it tells anybody.
        self.take(1);
    }

    fn outbox_was_refused(&mut self, _: &str) {}

    fn answer(&mut self, id: OpId, answer: &Answer) {
        self.answered.push(id);
        let mut world = self.stage.world();
        world.clones[self.clone].queue.retain(|s| s.operation.id != id);
        let ended = world.versions[world.tip].depth;
        let own = self.own.as_ref().is_some_and(|own| own.id == id);
        if let Some(case) = world.cases.iter_mut().find(|case| case.operation.id == id)
            && (own || case.told.is_none() || case.told == Some(Told::NotKnown))
        {
            (case.told, case.pushes, case.ended) = (Some(told(answer)), pushes(answer), ended);
        }
    }

    fn name(&self) -> String {
        Self::name(self.clone)
    }

    fn elapsed(&self) -> Duration {
        self.stage.world().clock.saturating_sub(self.begun)
    }

    fn pause(&mut self, time: Duration) {
        // Time passes for everybody.
        let part = time / u32::try_from(self.stage.world().setting.clones).unwrap_or(1);
        self.stage.world().clock += part;
        self.stage.step(self.process);
    }

    fn chance(&mut self) -> f64 {
        (self.stage.world().dice.roll() % 1000) as f64 / 1000.0
    }
}

pub(super) fn told(answer: &Answer) -> Told {
    match answer {
        Answer::Published { .. } | Answer::Settled { refused: None, .. } => Told::Happened,
        Answer::Failed(failure) if failure.code.as_str() == "undecided" => Told::NotKnown,
        _ => Told::DidNot,
    }
}

pub(super) fn pushes(answer: &Answer) -> u32 {
    match answer {
        Answer::Published { pushes, .. } | Answer::Settled { pushes, .. } => *pushes,
        _ => 0,
    }
}
