//! When each agent is woken: an interval of the board, staggered by the place in the roster.
//!
//! Owns the arithmetic. A timetable grows with the roster and never with the tasks. How a machine is told to keep it is
//! for the rooms above.

use serde::Serialize;

use super::config::Agent;
use super::id::AgentName;
use super::vocabulary::AgentKind;

/// Minutes between the wakes of neighbours, so that one has fetched and pushed before the next begins.
const STEP: usize = 2;

/// The intervals that a calendar can keep without a jump at the end of an hour or a day, in minutes.
const INTERVALS: [u64; 19] = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440];

/// When one agent is woken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wake {
    /// The agent.
    pub agent: AgentName,
    /// The minutes of an hour, rising.
    pub minutes: Vec<u8>,
    /// The hours of a day, rising; none means all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<u8>,
}

/// When everybody is woken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable {
    /// The interval that is kept: that of the board, or the next shorter one that a calendar can keep.
    pub every_minutes: u64,
    /// One entry for each agent that can be woken, in the order of the roster.
    pub wakes: Vec<Wake>,
    /// Whether there are more agents than minutes, so that some are woken together.
    pub crowded: bool,
    /// Those whose name no command takes, as a roster made by hand may have them.
    pub nameless: Vec<AgentName>,
}

/// Returns when the agents of a roster are woken, every so many minutes. People are not woken.
///
/// An agent's minutes depend on its place among the agents and on the interval alone, so that clones that each wake one
/// agent do not meet.
pub fn timetable(roster: &[Agent], wake_minutes: u64) -> Timetable {
    let every = interval(wake_minutes);
    let slots = usize::try_from(every.min(60)).expect("an hour has 60 minutes");
    let agents: Vec<&Agent> = roster.iter().filter(|agent| agent.kind != AgentKind::Human).collect();
    let (mut wakes, mut nameless) = (Vec::new(), Vec::new());
    for (place, agent) in agents.iter().enumerate() {
        match AgentName::new(agent.name.as_str()) {
            Ok(name) => wakes.push(wake(name, slot(place, slots), every)),
            Err(_) => nameless.push(agent.name.clone()),
        }
    }
    Timetable { every_minutes: every, wakes, crowded: agents.len() > slots, nameless }
}

/// Returns the longest interval that a calendar can keep and that is no longer than this one.
fn interval(wanted: u64) -> u64 {
    INTERVALS.iter().rev().copied().find(|minutes| *minutes <= wanted).unwrap_or(INTERVALS[0])
}

/// Returns the minute within the interval that belongs to a place: first every second one, then those between, then the
/// same again, so that as many share one minute as have to.
fn slot(place: usize, slots: usize) -> usize {
    let even = slots.div_ceil(STEP);
    match place % slots {
        within if within < even => within * STEP,
        within => (within - even) * STEP + 1,
    }
}

fn wake(agent: AgentName, slot: usize, every: u64) -> Wake {
    let byte = |n: u64| u8::try_from(n).expect("a clock has no larger numbers");
    let rising = |from: u64, step: u64, end: u64| (from..end).step_by(usize::try_from(step).unwrap_or(usize::MAX));
    let minutes = rising(slot as u64, every.min(60), 60).map(byte).collect();
    let hours = if every > 60 { rising(0, every / 60, 24).map(byte).collect() } else { Vec::new() };
    Wake { agent, minutes, hours }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::vocabulary::Role;

    fn roster(n: usize) -> Vec<Agent> {
        let name = |i| AgentName::as_found(&format!("agent-{i}"));
        (0..n).map(|i| Agent::new(name(i), Role::Executor, AgentKind::Agent)).collect()
    }

    fn minutes(table: &Timetable) -> Vec<&[u8]> {
        table.wakes.iter().map(|wake| wake.minutes.as_slice()).collect()
    }

    #[test]
    fn five_agents_are_woken_four_times_an_hour_two_minutes_apart() {
        let table = timetable(&roster(5), 15);
        assert_eq!(
            minutes(&table),
            [[0, 15, 30, 45], [2, 17, 32, 47], [4, 19, 34, 49], [6, 21, 36, 51], [8, 23, 38, 53]]
        );
        assert!(!table.crowded && table.every_minutes == 15);
    }

    #[test]
    fn as_many_agents_as_there_are_minutes_never_meet_and_beyond_that_they_are_spread_evenly() {
        for every in [1, 2, 5, 10, 15, 20, 30, 60, 120, 1440] {
            let slots = usize::try_from(every.min(60)).unwrap();
            for n in 1..=slots * 2 + 1 {
                let table = timetable(&roster(n), every);
                let all: Vec<u8> = table.wakes.iter().flat_map(|wake| wake.minutes.clone()).collect();
                let distinct: BTreeSet<u8> = all.iter().copied().collect();
                assert_eq!(distinct.len() == all.len(), n <= slots, "{n} agents every {every} minutes");
                assert_eq!(table.crowded, n > slots, "{n} agents every {every} minutes");
                let count = |minute: &u8| all.iter().filter(|m| *m == minute).count();
                let most = distinct.iter().map(count).max().unwrap();
                assert_eq!(most, n.div_ceil(slots), "{n} agents every {every} minutes");
            }
        }
    }

    #[test]
    fn who_comes_later_moves_nobody() {
        let few = timetable(&roster(3), 15);
        assert_eq!(few.wakes, timetable(&roster(40), 15).wakes[..3]);
    }

    #[test]
    fn an_interval_that_no_calendar_keeps_becomes_the_next_shorter_one() {
        for (wanted, kept, times, hours) in [
            (0, 1, 60, 0),
            (1, 1, 60, 0),
            (7, 6, 10, 0),
            (25, 20, 3, 0),
            (59, 30, 2, 0),
            (60, 60, 1, 0),
            (90, 60, 1, 0),
            (300, 240, 1, 6),
            (1440, 1440, 1, 1),
            (31_536_000, 1440, 1, 1),
        ] {
            let table = timetable(&roster(1), wanted);
            let wake = &table.wakes[0];
            assert_eq!((table.every_minutes, wake.minutes.len(), wake.hours.len()), (kept, times, hours), "{wanted}");
            assert!(wake.minutes.iter().all(|m| *m < 60) && wake.hours.iter().all(|h| *h < 24), "{wanted}");
        }
    }

    #[test]
    fn people_are_not_woken_and_take_nobodys_minutes() {
        let mut all = roster(2);
        all.insert(0, Agent::new(AgentName::as_found("olga"), Role::Owner, AgentKind::Human));
        all.push(Agent::new(AgentName::as_found("run"), Role::Executor, AgentKind::Managed));
        let table = timetable(&all, 15);
        let names: Vec<_> = table.wakes.iter().map(|wake| (wake.agent.as_str(), wake.minutes[0])).collect();
        assert_eq!(names, [("agent-0", 0), ("agent-1", 2), ("run", 4)]);
    }

    #[test]
    fn a_name_that_no_command_takes_is_left_out_and_told() {
        let mut all = roster(2);
        for hostile in ["a; rm x", "a\n* * * * * evil", "$(evil)", "a%b", "--agent", "a'b", "a b"] {
            all[0].name = AgentName::as_found(hostile);
            let table = timetable(&all, 15);
            assert_eq!(table.nameless, [all[0].name.clone()], "{hostile:?}");
            assert_eq!(minutes(&table), [[2, 17, 32, 47]], "{hostile:?}");
        }
    }
}
