//! What a lock entry covers, as a nondeterministic automaton, and whether two of them have a path in common.
//!
//! Owns the rule "and everything beneath" and the proof by search: two entries overlap exactly when the product of
//! their automata with that of the normal paths reaches an end. The search is bounded by the number of states, which
//! grows with the length of the entries alone: alternatives are branches, never written out.

use super::charset::{CharSet, is_of_a_path};
use super::glob::Part;

/// A Thompson automaton; the states [`MATCHED`], [`BENEATH`] and [`FILE`] are the same in all of them.
#[derive(Debug, Clone)]
pub(super) struct Automaton {
    states: Vec<State>,
    start: u32,
}

/// A path was matched in full; a slash leads to [`BENEATH`].
const MATCHED: u32 = 0;
/// A folder was matched and the path goes on within it; anything leads here again.
const BENEATH: u32 = 1;
/// A file was matched in full; nothing follows.
const FILE: u32 = 2;

#[derive(Debug, Clone)]
enum State {
    Matched,
    Beneath,
    File,
    /// Goes on in both states without reading.
    Fork(u32, u32),
    /// Reads one character of the set.
    Read(Chars, u32),
}

#[derive(Debug, Clone)]
enum Chars {
    Nothing,
    One(char),
    NotSlash,
    Any,
    Set(CharSet),
}

impl Chars {
    fn contains(&self, c: char) -> bool {
        match self {
            Self::Nothing => false,
            Self::One(one) => *one == c,
            Self::NotSlash => c != '/',
            Self::Any => true,
            Self::Set(set) => set.contains(c),
        }
    }

    /// Returns a character of both that is neither `/` nor `.`.
    fn common_plain(&self, other: &Self) -> Option<char> {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => None,
            (Self::One(c), chars) | (chars, Self::One(c)) => {
                (chars.contains(*c) && !matches!(c, '/' | '.') && is_of_a_path(*c)).then_some(*c)
            }
            (Self::Set(a), Self::Set(b)) => a.plain_member_of_both(b),
            (Self::Set(set), _) | (_, Self::Set(set)) => set.plain_member(),
            (Self::NotSlash | Self::Any, Self::NotSlash | Self::Any) => Some('a'),
        }
    }
}

static NOTHING: Chars = Chars::Nothing;
static SLASH: Chars = Chars::One('/');
static ANYTHING: Chars = Chars::Any;

/// How far a path has come within its component: what decides whether it is in normal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing was read.
    Start,
    /// A slash was read.
    ComponentStart,
    /// The component is `.` so far.
    Dot,
    /// The component is `..` so far.
    DotDot,
    /// The component is a name.
    Name,
}

/// How many places there are.
const PLACES: usize = 5;

impl Place {
    /// Returns the place after the character, or `None` where no normal path goes on so.
    const fn then(self, c: char) -> Option<Self> {
        match (self, c) {
            (Self::Name, '/') => Some(Self::ComponentStart),
            (_, '/') => None,
            (Self::Start | Self::ComponentStart, '.') => Some(Self::Dot),
            (Self::Dot, '.') => Some(Self::DotDot),
            _ => Some(Self::Name),
        }
    }
}

impl Automaton {
    /// Returns the automaton of one path and everything beneath it; the empty path is the whole repository.
    pub(super) fn of_path(path: &str) -> Self {
        let mut automaton = Self::empty();
        automaton.start = if path.is_empty() { BENEATH } else { automaton.path(path, MATCHED) };
        automaton
    }

    /// Returns the automaton of a glob and of the file that is named as the glob is spelled, and of everything beneath
    /// unless it is a glob of files alone.
    pub(super) fn of_glob(parts: &[Part], spelling: &str, files_alone: bool) -> Self {
        let mut automaton = Self::empty();
        let end = if files_alone { FILE } else { MATCHED };
        let glob = automaton.parts(parts, end);
        let literal = automaton.path(spelling, end);
        automaton.start = automaton.add(State::Fork(glob, literal));
        automaton
    }

    fn empty() -> Self {
        Self { states: vec![State::Matched, State::Beneath, State::File], start: MATCHED }
    }

    fn add(&mut self, state: State) -> u32 {
        self.states.push(state);
        u32::try_from(self.states.len() - 1).expect("entries are capped far below 2^32 states")
    }

    fn path(&mut self, path: &str, next: u32) -> u32 {
        path.chars().rev().fold(next, |next, c| self.add(State::Read(Chars::One(c), next)))
    }

    /// Adds the states of the parts, last part first, and returns the first state.
    fn parts(&mut self, parts: &[Part], next: u32) -> u32 {
        parts.iter().rev().fold(next, |next, part| match part {
            Part::Literal(c) => self.add(State::Read(Chars::One(*c), next)),
            Part::Any => self.add(State::Read(Chars::NotSlash, next)),
            Part::Class(set) => self.add(State::Read(Chars::Set(set.clone()), next)),
            Part::Run => self.run(Chars::NotSlash, next),
            Part::LeadingFolders => {
                let folders = self.folders(next);
                self.add(State::Fork(next, folders))
            }
            Part::InnerFolders => {
                let folders = self.folders(next);
                let either = self.add(State::Fork(next, folders));
                self.add(State::Read(Chars::One('/'), either))
            }
            Part::Beneath => {
                let rest = self.run(Chars::Any, next);
                self.add(State::Read(Chars::One('/'), rest))
            }
            Part::Alternatives(lists) => {
                let entries: Vec<u32> = lists.iter().map(|list| self.parts(list, next)).collect();
                entries.into_iter().reduce(|a, b| self.add(State::Fork(a, b))).unwrap_or(next)
            }
        })
    }

    /// Adds any number of the characters.
    fn run(&mut self, chars: Chars, next: u32) -> u32 {
        let fork = self.add(State::Fork(next, next));
        let read = self.add(State::Read(chars, fork));
        self.states[fork as usize] = State::Fork(read, next);
        fork
    }

    /// Adds anything that ends with a slash.
    fn folders(&mut self, next: u32) -> u32 {
        let slash = self.add(State::Read(Chars::One('/'), next));
        self.run(Chars::Any, slash)
    }

    /// Tells whether the path, in normal form, is matched or lies beneath a path that is.
    pub(super) fn covers(&self, path: &str) -> bool {
        let mut now = StateSet::new(self.states.len());
        let mut then = StateSet::new(self.states.len());
        let mut prev = None;
        self.enter(&mut now, self.start);
        for c in path.chars() {
            // A folder is matched with or without the slash after it: `{src/,docs/}` covers what is in them.
            if now.has(BENEATH) || (now.has(MATCHED) && prev.is_some() && (c == '/' || prev == Some('/'))) {
                return true;
            }
            then.clear();
            for &state in &now.members {
                if let State::Read(chars, next) = &self.states[state as usize]
                    && chars.contains(c)
                {
                    self.enter(&mut then, *next);
                }
            }
            std::mem::swap(&mut now, &mut then);
            if now.members.is_empty() {
                return false;
            }
            prev = Some(c);
        }
        prev.is_some() && (now.has(MATCHED) || now.has(BENEATH) || now.has(FILE))
    }

    /// Adds a state and all that it leads to without reading.
    fn enter(&self, set: &mut StateSet, state: u32) {
        let mut open = vec![state];
        while let Some(state) = open.pop() {
            if set.insert(state)
                && let State::Fork(a, b) = self.states[state as usize]
            {
                open.extend([a, b]);
            }
        }
    }

    /// Returns a path in normal form that both automata cover.
    ///
    /// Time and memory are bounded by the product of the numbers of states.
    pub(super) fn common_path(&self, other: &Self) -> Option<String> {
        let mut search = Search {
            seen: vec![0; (self.states.len() * other.states.len() * PLACES).div_ceil(64)],
            width: other.states.len(),
            steps: Vec::new(),
        };
        search.visit(Step { a: self.start, b: other.start, place: Place::Start, read: None, from: 0 });
        let mut at = 0;
        while let Some(&step) = search.steps.get(at) {
            if step.place == Place::Name && step.a <= FILE && step.b <= FILE {
                return Some(search.path_to(at));
            }
            self.expand(other, step, at, &mut search);
            at += 1;
        }
        None
    }

    fn expand(&self, other: &Self, step: Step, at: usize, search: &mut Search) {
        let silent = |a, b| Step { a, b, read: None, from: at, ..step };
        let (a, b) = (&self.states[step.a as usize], &other.states[step.b as usize]);
        if let State::Fork(x, y) = *a {
            search.visit(silent(x, step.b));
            return search.visit(silent(y, step.b));
        }
        if let State::Fork(x, y) = *b {
            search.visit(silent(step.a, x));
            return search.visit(silent(step.a, y));
        }
        if step.place == Place::ComponentStart {
            if matches!(a, State::Matched) {
                return search.visit(silent(BENEATH, step.b));
            }
            if matches!(b, State::Matched) {
                return search.visit(silent(step.a, BENEATH));
            }
        }
        let ((a_chars, a_next), (b_chars, b_next)) = (a.edge(), b.edge());
        let plain = a_chars.common_plain(b_chars);
        let marks = ['/', '.'].into_iter().filter(|&c| a_chars.contains(c) && b_chars.contains(c));
        for c in plain.into_iter().chain(marks) {
            if let Some(place) = step.place.then(c) {
                search.visit(Step { a: a_next, b: b_next, place, read: Some(c), from: at });
            }
        }
    }
}

impl State {
    /// Returns what a state that is no fork reads, and where that leads.
    fn edge(&self) -> (&Chars, u32) {
        match self {
            Self::Read(chars, next) => (chars, *next),
            Self::Matched => (&SLASH, BENEATH),
            Self::File => (&NOTHING, FILE),
            Self::Beneath | Self::Fork(..) => (&ANYTHING, BENEATH),
        }
    }
}

/// A point of the search and how it was reached.
#[derive(Debug, Clone, Copy)]
struct Step {
    a: u32,
    b: u32,
    place: Place,
    /// The character that was read to get here.
    read: Option<char>,
    /// Which step it came from; the first comes from itself.
    from: usize,
}

struct Search {
    /// One bit per pair of states and place.
    seen: Vec<u64>,
    /// How many states the second automaton has.
    width: usize,
    /// Every step that was reached, in order; also the queue.
    steps: Vec<Step>,
}

impl Search {
    fn visit(&mut self, step: Step) {
        let bit = (step.a as usize * self.width + step.b as usize) * PLACES + step.place as usize;
        let mask = 1 << (bit % 64);
        if self.seen[bit / 64] & mask == 0 {
            self.seen[bit / 64] |= mask;
            self.steps.push(step);
        }
    }

    fn path_to(&self, mut at: usize) -> String {
        let mut reversed = Vec::new();
        while at != 0 {
            reversed.extend(self.steps[at].read);
            at = self.steps[at].from;
        }
        reversed.iter().rev().collect()
    }
}

/// A set of states that is cheap to clear.
struct StateSet {
    has: Vec<bool>,
    members: Vec<u32>,
}

impl StateSet {
    fn new(states: usize) -> Self {
        Self { has: vec![false; states], members: Vec::new() }
    }

    fn has(&self, state: u32) -> bool {
        self.has[state as usize]
    }

    fn insert(&mut self, state: u32) -> bool {
        let new = !self.has[state as usize];
        if new {
            self.has[state as usize] = true;
            self.members.push(state);
        }
        new
    }

    fn clear(&mut self) {
        for state in self.members.drain(..) {
            self.has[state as usize] = false;
        }
    }
}
