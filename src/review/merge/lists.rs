//! Lists of two sides: texts as sets, and items that have a name or a time.

use std::collections::{HashMap, HashSet};

use super::value::{Three, Weighing, same};
use super::{Lost, Side};
use crate::schema::Json;
use crate::schema::canonical::write_line;
use crate::schema::document::join;

/// What the items of a list are to each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sort {
    /// The key by whose value an item is known again.
    id: &'static str,
    /// The keys by which one without it is known again.
    without_id: &'static [&'static str],
    /// The key of the time by which they are in order.
    time: Option<&'static str>,
    /// Whether nobody may take one out.
    only_grows: bool,
}

/// The chat.
pub(super) const CHAT: Sort = Sort { id: "id", without_id: &[], time: Some("timestamp"), only_grows: true };
/// The history.
pub(super) const HISTORY: Sort = Sort {
    id: "op",
    without_id: &["state", "timestamp", "actor", "trigger"],
    time: Some("timestamp"),
    only_grows: true,
};
/// The evidence.
pub(super) const EVIDENCE: Sort = Sort { id: "id", without_id: &[], time: Some("at"), only_grows: true };
/// The subtasks.
pub(super) const SUBTASKS: Sort = Sort { id: "id", without_id: &[], time: None, only_grows: false };
/// The approvals.
pub(super) const APPROVALS: Sort = Sort { id: "by", without_id: &[], time: Some("at"), only_grows: false };

impl Sort {
    /// Returns what an item is called.
    fn name(&self, item: &Json) -> String {
        match item.get(self.id) {
            Some(id) => write_line(id),
            None => {
                let parts: Vec<_> = self.without_id.iter().map(|key| item.get(key).map(write_line)).collect();
                format!("{parts:?}")
            }
        }
    }

    fn time(&self, item: &Json) -> Option<i64> {
        item.get(self.time?)?.as_integer()
    }

    /// Returns the items by their names. Of several with one name each has its own.
    fn by_name<'a>(&self, list: &'a [Json]) -> Vec<(String, &'a Json)> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let named = list.iter().map(|item| {
            let name = self.name(item);
            let nth = seen.entry(name.clone()).or_default();
            *nth += 1;
            (if *nth == 1 { name } else { format!("{name} {nth}") }, item)
        });
        named.collect()
    }

    /// Puts what both sides had in its order, and behind it the rest; by time where the first is by time.
    fn ordered(&self, common: Vec<Json>, mut rest: Vec<Json>) -> Vec<Json> {
        if self.time.is_none() {
            return common.into_iter().chain(rest).collect();
        }
        rest.sort_by_cached_key(|item| (self.time(item), write_line(item)));
        let by_time = common.is_sorted_by_key(|item| self.time(item));
        let mut all: Vec<Json> = common.into_iter().chain(rest).collect();
        if by_time {
            all.sort_by_key(|item| self.time(item));
        }
        all
    }
}

/// The items of a list by what they are called, to look them up in.
struct Names<'a> {
    sort: &'a Sort,
    items: HashMap<String, Vec<(usize, &'a Json)>>,
}

impl<'a> Names<'a> {
    fn of(sort: &'a Sort, list: &'a [Json]) -> Self {
        let mut items: HashMap<String, Vec<(usize, &Json)>> = HashMap::new();
        for (at, item) in list.iter().enumerate() {
            items.entry(sort.name(item)).or_default().push((at, item));
        }
        Self { sort, items }
    }

    /// Tells whether one of the list is called so.
    fn knows(&self, item: &Json) -> bool {
        self.items.contains_key(&self.sort.name(item))
    }

    /// Returns the place of the same item.
    fn place(&self, item: &Json) -> Option<usize> {
        let called_so = self.items.get(&self.sort.name(item))?;
        called_so.iter().find(|(_, other)| other.means(item)).map(|(at, _)| *at)
    }
}

fn items(list: Option<&Json>) -> &[Json] {
    list.and_then(Json::as_array).unwrap_or_default()
}

/// Returns a list, or nothing where it is empty and one of the sides has none.
fn list_or_nothing(list: Vec<Json>, three: Three<'_>) -> Option<Json> {
    let silent = list.is_empty() && (three.ours.is_none() || three.theirs.is_none());
    (!silent).then_some(Json::Array(list))
}

impl Weighing {
    /// Merges lists of texts as sets: what one side has taken out goes, what one has put in comes behind the rest.
    pub(super) fn texts(&mut self, pointer: &str, three: Three<'_>) -> Option<Json> {
        let are_lists = [three.ours, three.theirs].into_iter().flatten().all(|value| value.as_array().is_some());
        if !(are_lists && three.changed_by(Side::Ours) && three.changed_by(Side::Theirs)) {
            return self.whole(pointer, three);
        }
        let set = |list| items(list).iter().filter_map(Json::as_str).collect::<HashSet<_>>();
        let [base, ours, theirs] = [three.base, three.ours, three.theirs].map(set);
        let stays = |text: &str| ours.contains(text) && theirs.contains(text);
        let mut list: Vec<&str> =
            items(three.base).iter().filter_map(Json::as_str).filter(|text| stays(text)).collect();
        let mut seen: HashSet<&str> = HashSet::new();
        // In the same order whichever side is called ours.
        for side in [self.winner.other(), self.winner] {
            let added = items(three.of(side)).iter().filter_map(Json::as_str);
            list.extend(added.filter(|text| !base.contains(text) && seen.insert(text)));
        }
        let list = list.into_iter().map(|text| Json::String(text.to_owned())).collect();
        list_or_nothing(self.as_a_side_has_it(list, three), three)
    }

    /// Returns the list in the order of a side that has the very same items, so that merging once more changes nothing.
    fn as_a_side_has_it(&self, list: Vec<Json>, three: Three<'_>) -> Vec<Json> {
        let sorted = |items: &[Json]| {
            let mut texts: Vec<String> = items.iter().map(write_line).collect();
            texts.sort_unstable();
            texts
        };
        let wanted = sorted(&list);
        let sides = [self.winner, self.winner.other()].map(|side| items(three.of(side)));
        sides.into_iter().find(|side| sorted(side) == wanted).map_or(list, <[Json]>::to_vec)
    }

    /// Merges lists of items that are known by a name.
    pub(super) fn items(&mut self, pointer: &str, sort: &Sort, three: Three<'_>) -> Option<Json> {
        if same(three.ours, three.theirs) {
            return three.ours.cloned();
        }
        // A side that knows all that the other says has it in the right order.
        let sides = [self.winner, self.winner.other()];
        if let Some(side) = sides.into_iter().find(|side| sort.only_grows && has_all(sort, three, *side)) {
            return three.of(side).cloned();
        }
        let list = if sort.only_grows { all_of_both(sort, three) } else { self.items_by_name(pointer, sort, three) };
        list_or_nothing(list, three)
    }

    fn items_by_name(&mut self, pointer: &str, sort: &Sort, three: Three<'_>) -> Vec<Json> {
        let [base, ours, theirs] = [three.base, three.ours, three.theirs].map(|list| sort.by_name(items(list)));
        let sides = [&base, self.winner.other().of(&ours, &theirs), self.winner.of(&ours, &theirs)];
        let index = |list: &[(String, &'_ Json)]| -> HashMap<String, Json> {
            list.iter().map(|(name, item)| (name.clone(), (*item).clone())).collect()
        };
        let (of_base, of_ours, of_theirs) = (index(&base), index(&ours), index(&theirs));
        let (mut common, mut rest) = (Vec::new(), Vec::new());
        let mut done: HashSet<&str> = HashSet::new();
        for (name, _) in sides.into_iter().flatten() {
            if !done.insert(name) {
                continue;
            }
            let one = Three { base: of_base.get(name), ours: of_ours.get(name), theirs: of_theirs.get(name) };
            let merged = match (one.ours, one.theirs) {
                (None, None) => None,
                // What one side has taken out stays where the other has changed it.
                (Some(_), None) => one.ours.filter(|_| one.changed_by(Side::Ours)).cloned(),
                (None, Some(_)) => one.theirs.filter(|_| one.changed_by(Side::Theirs)).cloned(),
                (Some(_), Some(_)) => self.value(&join(pointer, name), one),
            };
            if one.base.is_some() { common.extend(merged) } else { rest.extend(merged) }
        }
        let list = sort.ordered(common, rest);
        if sort.time.is_some() { list } else { self.as_a_side_has_it(list, three) }
    }
}

/// Returns every item that either side has. Of an item that one side has changed, that one; where both have, both.
fn all_of_both(sort: &Sort, three: Three<'_>) -> Vec<Json> {
    let (ours, theirs) = (items(three.ours), items(three.theirs));
    let base = Names::of(sort, items(three.base));
    let (of_ours, of_theirs) = (Names::of(sort, ours), Names::of(sort, theirs));
    let (mut common, mut rest) = (Vec::new(), Vec::new());
    for (list, other, is_second) in [(ours, &of_theirs, false), (theirs, &of_ours, true)] {
        for item in list {
            let before = base.place(item);
            let in_both = other.place(item).is_some();
            let replaced = before.is_some() && !in_both && other.knows(item);
            if replaced || in_both && is_second {
                continue;
            }
            match before {
                Some(at) => common.push((at, item.clone())),
                None => rest.push(item.clone()),
            }
        }
    }
    common.sort_by_key(|(at, _)| *at);
    sort.ordered(common.into_iter().map(|(_, item)| item).collect(), rest)
}

/// Returns the items of one side whose names the other does not have, with their places.
pub(super) fn only_in<'a>(sort: &Sort, list: Option<&'a Json>, other: Option<&Json>) -> Vec<(usize, &'a Json)> {
    let other = Names::of(sort, items(other));
    items(list).iter().enumerate().filter(|(_, item)| !other.knows(item)).collect()
}

/// Returns the items of both in the order of one move after the other: what both have, then those that only the first
/// has, then those that only the second has.
pub(super) fn one_after_the_other(sort: &Sort, three: Three<'_>, first: Side) -> Option<Json> {
    let second = first.other();
    let moves = [first, second].map(|side| only_in(sort, three.of(side), three.of(side.other())));
    let alone: Vec<Names<'_>> = [first, second].map(|side| Names::of(sort, items(three.of(side)))).into();
    let shared = all_of_both(sort, three).into_iter().filter(|item| alone.iter().all(|names| names.knows(item)));
    let moved = moves.iter().flatten().map(|(_, item)| (*item).clone());
    list_or_nothing(shared.chain(moved).collect(), three)
}

/// Tells whether one side has every item of the other, as it stands there.
pub(super) fn has_all(sort: &Sort, three: Three<'_>, side: Side) -> bool {
    let names = Names::of(sort, items(three.of(side)));
    items(three.of(side.other())).iter().all(|item| names.place(item).is_some())
}

/// Returns the items of both but for those that only one side has, and each of these as lost.
pub(super) fn without_those_of(pointer: &str, sort: &Sort, three: Three<'_>, side: Side) -> (Option<Json>, Vec<Lost>) {
    let gone = only_in(sort, three.of(side), three.of(side.other()));
    let lost = gone.iter().map(|(at, item)| Lost {
        pointer: join(pointer, &at.to_string()),
        side,
        value: Some((*item).clone()),
        kept: None,
    });
    let lost = lost.collect();
    let stays = Names::of(sort, items(three.of(side.other())));
    let list = all_of_both(sort, three).into_iter().filter(|item| stays.knows(item)).collect();
    (list_or_nothing(list, three), lost)
}
