//! The parts of a glob, read exactly as the globset crate reads them.
//!
//! Owns the grammar: `?`, `*`, `**`, `[...]`, `{...,...}`, with `/` matched by `**` and by a class only, empty
//! alternatives allowed and no escapes. globset has accepted a text before it comes here, so this reader need not
//! explain what is malformed; it stays total all the same.

use std::iter::Peekable;
use std::str::Chars;

use super::charset::CharSet;

/// One part of a glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// This character.
    Literal(char),
    /// Any character but `/`.
    Any,
    /// Any number of characters but `/`.
    Run,
    /// `**/` at the beginning: nothing, or any folders.
    LeadingFolders,
    /// `/**` at the end: everything beneath.
    Beneath,
    /// `/**/`: a slash, or any folders between two.
    InnerFolders,
    /// One character of a set.
    Class(CharSet),
    /// One of several globs.
    Alternatives(Vec<Vec<Self>>),
}

/// Reads a glob; its literal characters and classes are folded when `ignore_case` says so.
pub(super) fn parse(text: &str, ignore_case: bool) -> Vec<Part> {
    let mut reader =
        Reader { chars: text.chars().peekable(), prev: None, cur: None, open: Vec::new(), lists: vec![Vec::new()] };
    while let Some(c) = reader.bump() {
        match c {
            '?' => reader.push(Part::Any),
            '*' => reader.star(),
            '[' => {
                let class = reader.class(ignore_case);
                reader.push(Part::Class(class));
            }
            '{' => {
                reader.open.push(reader.lists.len());
                reader.lists.push(Vec::new());
            }
            '}' => reader.close(),
            ',' if !reader.open.is_empty() => reader.lists.push(Vec::new()),
            c => reader.push(Part::Literal(if ignore_case { super::path::fold_char(c) } else { c })),
        }
    }
    while !reader.open.is_empty() {
        reader.close();
    }
    let mut parts = reader.lists.pop().unwrap_or_default();
    // Only here, where nothing follows, does `**` match without the slash after it.
    if parts == [Part::LeadingFolders] {
        parts = vec![Part::LeadingFolders, Part::Run];
    }
    parts
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    /// The character before `cur`.
    prev: Option<char>,
    /// The character read last.
    cur: Option<char>,
    /// For every open brace, which of `lists` is its first alternative.
    open: Vec<usize>,
    /// The glob itself, then the alternatives of all open braces; parts go to the last one.
    lists: Vec<Vec<Part>>,
}

impl Reader<'_> {
    fn bump(&mut self) -> Option<char> {
        self.prev = self.cur;
        self.cur = self.chars.next();
        self.cur
    }

    fn list(&mut self) -> &mut Vec<Part> {
        self.lists.last_mut().expect("the glob's own list is never taken while reading")
    }

    fn push(&mut self, part: Part) {
        self.list().push(part);
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(first) => {
                let alternatives = self.lists.drain(first..).collect();
                self.push(Part::Alternatives(alternatives));
            }
            None => self.push(Part::Literal('}')),
        }
    }

    /// Reads on after a `*`: two of them are more than one only where they are a whole component.
    fn star(&mut self) {
        let before = self.prev;
        if self.chars.peek() != Some(&'*') {
            return self.push(Part::Run);
        }
        self.bump();
        let next = self.chars.peek().copied();
        if self.list().is_empty() {
            if matches!(next, None | Some('/')) {
                self.bump();
                return self.push(Part::LeadingFolders);
            }
            return self.push(Part::Run);
        }
        let ends = next.is_none() || (matches!(next, Some(',' | '}')) && !self.open.is_empty());
        if before != Some('/') || !(ends || next == Some('/')) {
            return self.push(Part::Run);
        }
        if !ends {
            self.bump();
        }
        let part = match self.list().pop() {
            Some(kept @ (Part::LeadingFolders | Part::Beneath)) => kept,
            _ if ends => Part::Beneath,
            _ => Part::InnerFolders,
        };
        self.push(part);
    }

    /// Reads on after a `[`.
    fn class(&mut self, ignore_case: bool) -> CharSet {
        let negated = matches!(self.chars.peek(), Some('!' | '^'));
        if negated {
            self.bump();
        }
        let mut ranges: Vec<(char, char)> = Vec::new();
        let mut first = true;
        let mut in_range = false;
        while let Some(c) = self.bump() {
            match c {
                ']' if !first => break,
                '-' if !first && !in_range => in_range = true,
                c => match ranges.last_mut() {
                    Some(range) if in_range => {
                        range.1 = c;
                        in_range = false;
                    }
                    _ => ranges.push((c, c)),
                },
            }
            first = false;
        }
        if in_range {
            ranges.push(('-', '-'));
        }
        CharSet::new(ranges, ignore_case, negated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_stars_mean_folders_only_as_a_whole_component() {
        use Part::{Beneath, InnerFolders, LeadingFolders, Literal, Run};
        for (text, parts) in [
            ("**", vec![LeadingFolders, Run]),
            ("**/a", vec![LeadingFolders, Literal('a')]),
            ("a/**", vec![Literal('a'), Beneath]),
            ("a/**/b", vec![Literal('a'), InnerFolders, Literal('b')]),
            ("a**", vec![Literal('a'), Run]),
            ("**a", vec![Run, Literal('a')]),
            ("**/**/a", vec![LeadingFolders, Literal('a')]),
        ] {
            assert_eq!(parse(text, false), parts, "{text}");
        }
    }

    #[test]
    fn malformed_globs_are_read_without_a_panic() {
        for text in ["}", "{", "{{,", "[", "[]", "[!", "[a-", "[z-a]", "}{", "{a}}", "**}", "{**", "*{,**/"] {
            assert!(!parse(text, true).is_empty(), "{text}");
        }
    }
}
