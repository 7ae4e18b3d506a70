//! Sets of characters that a path may hold.
//!
//! Owns complement, case folding and the search for a common member. No set holds a character that a path in
//! normal form cannot have.

use std::sync::LazyLock;

use super::path::{DECEPTIVE, fold_char, is_deceptive};

/// A set of characters: sorted ranges that neither touch nor overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CharSet(Vec<(char, char)>);

/// Every character that differs from its folded form, with that form.
///
/// Built once: a class such as `[À-Ü]` needs it, and asking for each member of a wide class would take too long.
/// No script with two cases lies beyond the first supplementary plane.
static FOLDS: LazyLock<Vec<(char, char)>> =
    LazyLock::new(|| ('\0'..='\u{1FFFF}').map(|c| (c, fold_char(c))).filter(|(c, folded)| c != folded).collect());

impl CharSet {
    /// Returns the set of the ranges, in both cases when `ignore_case` says so, or else of all other characters.
    ///
    /// A range whose ends are the wrong way round is empty.
    pub(super) fn new(mut ranges: Vec<(char, char)>, ignore_case: bool, negated: bool) -> Self {
        if ignore_case {
            ranges = close_under_case(ranges);
        }
        let set = Self(merge(ranges));
        // Taking the complement twice drops from a set what no path can hold.
        if negated { set.complement() } else { set.complement().complement() }
    }

    /// Tells whether the character is in the set.
    pub(super) fn contains(&self, c: char) -> bool {
        let after = self.0.partition_point(|&(low, _)| low <= c);
        after > 0 && c <= self.0[after - 1].1
    }

    /// Returns a member that is neither `/` nor `.`.
    pub(super) fn plain_member(&self) -> Option<char> {
        plain_of(self.0.iter().copied(), |c| self.contains(c))
    }

    /// Returns a member of both sets that is neither `/` nor `.`.
    pub(super) fn plain_member_of_both(&self, other: &Self) -> Option<char> {
        let common = self.0.iter().flat_map(|&(low, high)| {
            let from = other.0.partition_point(|&(_, end)| end < low);
            let overlapping = other.0[from..].iter().take_while(move |&&(start, _)| start <= high);
            overlapping.map(move |&(start, end)| (low.max(start), high.min(end)))
        });
        plain_of(common, |c| self.contains(c) && other.contains(c))
    }

    /// Returns all characters that a path may hold and that are not in the set.
    fn complement(&self) -> Self {
        let forbidden = [('\0', '\u{1f}'), ('\\', '\\'), ('\u{7f}', '\u{9f}')].into_iter().chain(DECEPTIVE);
        let mut out = Vec::new();
        let mut next = Some('\0');
        for (low, high) in merge(self.0.iter().copied().chain(forbidden).collect()) {
            if let (Some(start), Some(end)) = (next, before(low))
                && start <= end
            {
                out.push((start, end));
            }
            next = after(high);
        }
        out.extend(next.map(|start| (start, char::MAX)));
        Self(out)
    }
}

/// Returns a character of the ranges that is neither `/` nor `.`, a letter or digit where one is at hand.
fn plain_of(mut ranges: impl Iterator<Item = (char, char)>, contains: impl Fn(char) -> bool) -> Option<char> {
    ['a', 'b', 'x', '0']
        .into_iter()
        .find(|&c| contains(c))
        .or_else(|| ranges.find_map(|(low, high)| (low..=high).take(3).find(|c| !matches!(c, '/' | '.'))))
}

fn close_under_case(mut ranges: Vec<(char, char)>) -> Vec<(char, char)> {
    let set = CharSet(merge(ranges.clone()));
    let folded: Vec<char> = FOLDS.iter().filter(|(c, _)| set.contains(*c)).map(|&(_, folded)| folded).collect();
    ranges.extend(folded.into_iter().map(|c| (c, c)));
    let set = CharSet(merge(ranges.clone()));
    ranges.extend(FOLDS.iter().filter(|(_, folded)| set.contains(*folded)).map(|&(c, _)| (c, c)));
    ranges
}

/// Sorts the ranges and joins those that touch or overlap.
fn merge(mut ranges: Vec<(char, char)>) -> Vec<(char, char)> {
    ranges.retain(|(low, high)| low <= high);
    ranges.sort_unstable();
    let mut merged: Vec<(char, char)> = Vec::with_capacity(ranges.len());
    for (low, high) in ranges {
        match merged.last_mut() {
            Some(last) if after(last.1).is_none_or(|next| low <= next) => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    merged
}

fn after(c: char) -> Option<char> {
    (c..=char::MAX).nth(1)
}

fn before(c: char) -> Option<char> {
    ('\0'..c).next_back()
}

/// Tells whether a path in normal form may hold the character.
pub(super) fn is_of_a_path(c: char) -> bool {
    c != '\\' && !is_deceptive(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_class_without_case_holds_both_cases_before_it_is_turned_round() {
        let set = CharSet::new(vec![('b', 'd'), ('É', 'É')], true, false);
        assert!("bcdBCDéÉ".chars().all(|c| set.contains(c)));
        let rest = CharSet::new(vec![('b', 'd'), ('É', 'É')], true, true);
        assert!("bcdBCDéÉ".chars().all(|c| !rest.contains(c)));
        assert!("aA/_".chars().all(|c| rest.contains(c)));
    }

    #[test]
    fn a_set_never_holds_what_a_path_cannot() {
        let all = CharSet::new(vec![('\0', char::MAX)], false, false);
        for c in ('\0'..=char::MAX).filter(|c| *c < '\u{3000}' || *c > '\u{FE00}') {
            assert_eq!(all.contains(c), is_of_a_path(c), "{c:?}");
        }
    }

    fn any_ranges() -> impl Strategy<Value = Vec<(char, char)>> {
        prop::collection::vec((prop::char::range('-', '8'), prop::char::range('-', '8')), 0..4)
    }

    proptest! {
        #[test]
        fn a_common_member_is_found_exactly_when_there_is_one(
            a in any_ranges(), a_negated: bool,
            b in any_ranges(), b_negated: bool,
        ) {
            let (a, b) = (CharSet::new(a, false, a_negated), CharSet::new(b, false, b_negated));
            let plain = |c: char| is_of_a_path(c) && !matches!(c, '/' | '.');
            let brute = ('\0'..'\u{100}').any(|c| plain(c) && a.contains(c) && b.contains(c));
            let found = a.plain_member_of_both(&b);
            prop_assert_eq!(found.is_some(), brute);
            prop_assert!(found.is_none_or(|c| plain(c) && a.contains(c) && b.contains(c)));
            prop_assert_eq!(a.plain_member().is_some(), ('\0'..'\u{100}').any(|c| plain(c) && a.contains(c)));
        }
    }
}
