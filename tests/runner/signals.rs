//! What squad itself is told while it runs something.

use rustix::process::Signal;

use crate::kit::{Room, kill, text, until};
use crate::stand_in::StandIn;

#[test]
fn interrupts_are_counted_and_end_nobody() {
    for (first, second) in [(Signal::INT, Signal::INT), (Signal::TERM, Signal::HUP)] {
        let room = Room::new();
        let count = room.path("count");
        let mut stand_in = StandIn::new(&room, "count", "");
        until("it listens", || count.exists());
        kill(stand_in.0.id(), first);
        until("the first is counted", || text(&count) == "1");
        kill(stand_in.0.id(), second);
        stand_in.wait();
        assert_eq!(text(&count), "2");
    }
}

#[test]
fn a_parent_that_closes_standard_input_is_an_interrupt_once() {
    let room = Room::new();
    let count = room.path("count");
    let mut stand_in = StandIn::new(&room, "count and watch", "");
    until("it listens", || count.exists());
    drop(stand_in.0.stdin.take());
    until("it is counted", || text(&count) == "1");
    kill(stand_in.0.id(), Signal::TERM);
    stand_in.wait();
    assert_eq!(text(&count), "2", "and only once");
}
