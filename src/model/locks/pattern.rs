//! One entry of `files[]`: a path or a glob, what it covers, and whether two of them meet.
//!
//! The syntax is that of the globset crate with literal separators and empty alternatives: `?` and `*` stay within
//! a component, `**` is any number of them, `[a-z]` and `[!a-z]` are classes (which may match a slash), `{a,b}` are
//! alternatives. `\` is a path separator, since boards are written on Windows too; so globs have no escapes, and an
//! entry that reads as a glob also stands for the file whose name is spelled so: `app/[id]/page.tsx` covers
//! `app/[id]/page.tsx`. An entry covers what it matches and everything beneath; but a glob that ends with a file
//! extension after a wildcard (`src/*.rs`, `**/*.md`, `docs/*.{md,txt}`) means files and covers only what it matches,
//! so that those who share the work out by extension are not in each other's way. Characters are compared, where
//! globset compares bytes; the two differ beyond ASCII only.

use std::borrow::Cow;

use super::automaton::Automaton;
use super::glob;
use super::path::{self, BadPath};

/// Longest glob in bytes: keeps the search for a common path of any two below a few million steps.
pub const GLOB_MAX: usize = 256;

/// What makes an entry a glob.
const WILDCARDS: [char; 4] = ['?', '*', '[', '{'];

/// Why an entry of `files[]` is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// It names no path within the repository.
    #[error(transparent)]
    Path(#[from] BadPath),
    /// It is a glob and too long for one.
    #[error("glob of {bytes} bytes is longer than {GLOB_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It is no well-formed glob.
    #[error("{text:?} is not a well-formed glob")]
    Glob {
        /// The entry in normal form.
        text: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
}

/// An entry of `files[]`, ready to be compared.
#[derive(Debug, Clone)]
pub struct Pattern {
    entry: String,
    ignore_case: bool,
    head: Head<'static>,
    /// Absent for a plain path, which needs no search.
    automaton: Option<Automaton>,
}

impl Pattern {
    /// Reads an entry; with `ignore_case` it stands for all spellings that differ in case.
    ///
    /// # Errors
    /// [`BadPattern`] when it leaves the repository, is not a well-formed glob, or is a glob longer than
    /// [`GLOB_MAX`].
    pub fn new(text: &str, ignore_case: bool) -> Result<Self, BadPattern> {
        let normal = path::normal(text)?;
        let head = Head::of(&normal, ignore_case).kept();
        let automaton = if head.is_whole { None } else { Some(compile(&normal, ignore_case)?) };
        Ok(Self { entry: text.to_owned(), ignore_case, head, automaton })
    }

    /// Reads an entry of a board made by hand, where one that squad would refuse still counts as a lock.
    ///
    /// What is not well formed is a path, spelled just so; a glob that is too long covers the folder in which its
    /// first wildcard stands. `None` when the text is blank or longer than any path.
    pub fn lenient(text: &str, ignore_case: bool) -> Option<Self> {
        if let Ok(pattern) = Self::new(text, ignore_case) {
            return Some(pattern);
        }
        if text.trim().is_empty() {
            return None;
        }
        let mut path = path::salvage(text, ignore_case);
        if path.len() > GLOB_MAX
            && let Some(wildcard) = path.find(WILDCARDS)
        {
            path.truncate(path[..wildcard].rfind('/').unwrap_or(0));
        }
        if path.len() > path::PATH_MAX {
            return None;
        }
        Some(Self {
            entry: text.to_owned(),
            ignore_case,
            head: Head { text: path.into(), is_whole: true },
            automaton: None,
        })
    }

    /// Returns the entry as it was spelled.
    pub fn as_str(&self) -> &str {
        &self.entry
    }

    /// Tells whether the entry is a path, and no glob.
    pub fn is_plain(&self) -> bool {
        self.automaton.is_none()
    }

    pub(super) fn head(&self) -> &Head<'static> {
        &self.head
    }

    /// Tells whether the path, in normal form ([`path::normalise`]), is matched or lies beneath one that is; for a
    /// glob that ends with a file extension, whether it is matched.
    pub fn covers(&self, path: &str) -> bool {
        if self.ignore_case { self.covers_folded(&path::fold(path)) } else { self.covers_folded(path) }
    }

    fn covers_folded(&self, path: &str) -> bool {
        match &self.automaton {
            None => !path.is_empty() && path::is_at_or_beneath(path, &self.head.text),
            Some(automaton) => path.starts_with(&*self.head.text) && automaton.covers(path),
        }
    }

    /// Tells whether some path is covered by both; both must have been read with the same `ignore_case`.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.head.meets(&other.head)
            && match (&self.automaton, &other.automaton) {
                (None, None) => true,
                _ => self.overlap_witness(other).is_some(),
            }
    }

    /// Returns a path in normal form that both cover, folded where case is ignored.
    ///
    /// It may begin as a drive does (`c:x`): no entry can spell such a path, but outside Windows a file can have it.
    pub fn overlap_witness(&self, other: &Self) -> Option<String> {
        if !self.head.meets(&other.head) {
            return None;
        }
        let witness = match (&self.automaton, &other.automaton) {
            (None, None) => {
                let longer = if self.head.text.len() < other.head.text.len() { &other.head } else { &self.head };
                // Two entries that both stand for the whole repository have any path in common.
                return Some(if longer.text.is_empty() { "a".to_owned() } else { longer.text.to_string() });
            }
            (Some(a), Some(b)) => a.common_path(b),
            (Some(a), None) => a.common_path(&Automaton::of_path(&other.head.text)),
            (None, Some(b)) => Automaton::of_path(&self.head.text).common_path(b),
        };
        witness.map(|path| if self.ignore_case { path::fold(&path) } else { path })
    }
}

fn compile(normal: &str, ignore_case: bool) -> Result<Automaton, BadPattern> {
    if normal.len() > GLOB_MAX {
        return Err(BadPattern::TooLong { bytes: normal.len() });
    }
    // globset says what is well formed; the automaton is built from our own reading, which the tests hold against it.
    globset::GlobBuilder::new(normal)
        .literal_separator(true)
        .empty_alternates(true)
        .backslash_escape(false)
        .build()
        .map_err(|source| BadPattern::Glob { text: normal.to_owned(), source })?;
    let spelling = if ignore_case { path::fold(normal) } else { normal.to_owned() };
    Ok(Automaton::of_glob(&glob::parse(normal, ignore_case), &spelling, means_files(normal)))
}

/// Tells whether a glob in normal form ends with a file extension after a wildcard, in its last component.
///
/// An extension is a dot and a letter or digit, spelled out: `*.rs`, `[id].test.tsx`, `*.{md,txt}`. Where braces hold
/// a slash it is not told apart what is the last component, and the glob covers what is beneath as any other does.
fn means_files(normal: &str) -> bool {
    let last = normal.rsplit('/').next().unwrap_or(normal);
    let opened = last.matches('{').count();
    if opened != last.matches('}').count() {
        return false;
    }
    let is_wild = |text: &str| text.contains(WILDCARDS);
    let is_plain =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if let Some((stem, list)) = last.strip_suffix('}').and_then(|open| open.rsplit_once(".{")) {
        return is_wild(stem) && list.split(',').all(|word| is_plain(word) && word.starts_with(char::is_alphanumeric));
    }
    let Some(wildcard) = last.rfind(['?', '*', '[', '{', ']', '}']) else { return false };
    let tail = &last[wildcard..];
    let named = |(at, _): (usize, &str)| tail[at + 1..].starts_with(char::is_alphanumeric);
    is_wild(last) && !tail.starts_with(['[', '{']) && tail.match_indices('.').any(named)
}

/// How everything that an entry covers begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// The entry up to its first wildcard.
    text: Cow<'a, str>,
    /// Whether that is all of it.
    is_whole: bool,
}

impl<'a> Head<'a> {
    /// Returns the head of an entry in normal form.
    pub(super) fn of(normal: &'a str, ignore_case: bool) -> Self {
        let end = normal.bytes().position(|byte| WILDCARDS.contains(&char::from(byte)));
        let text = &normal[..end.unwrap_or(normal.len())];
        let text = if ignore_case { Cow::Owned(path::fold(text)) } else { Cow::Borrowed(text) };
        Self { text, is_whole: end.is_none() }
    }

    /// Returns the same, to outlive the entry.
    pub(super) fn kept(self) -> Head<'static> {
        Head { text: Cow::Owned(self.text.into_owned()), is_whole: self.is_whole }
    }

    /// Returns the beginning.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Tells whether a path could begin with both heads; for two plain paths that is the whole answer.
    pub(super) fn meets(&self, other: &Head<'_>) -> bool {
        let (short, long) = if self.text.len() <= other.text.len() { (self, other) } else { (other, self) };
        if short.is_whole {
            // A glob such as `src*` may still match the plain path itself, which is as long as the head.
            path::is_at_or_beneath(&long.text, &short.text)
        } else {
            long.text.starts_with(&*short.text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text, false).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Reads a folder's path as globset may see it: with or without the slash at its end.
    fn globset_covers(glob: &globset::GlobMatcher, path: &str) -> bool {
        if means_files(glob.glob().glob()) {
            return glob.is_match(path);
        }
        let folders = path.match_indices('/').map(|(at, _)| at);
        glob.is_match(path) || folders.into_iter().any(|at| glob.is_match(&path[..at]) || glob.is_match(&path[..=at]))
    }

    fn globset(text: &str, ignore_case: bool) -> Option<globset::GlobMatcher> {
        let normal = path::normalise(text, false).ok()?;
        let mut builder = globset::GlobBuilder::new(&normal);
        builder.literal_separator(true).empty_alternates(true).backslash_escape(false).case_insensitive(ignore_case);
        Some(builder.build().ok()?.compile_matcher())
    }

    /// Returns every path in normal form of at most `longest` characters of the alphabet.
    fn all_paths(alphabet: &str, longest: usize) -> Vec<String> {
        let mut all = Vec::new();
        let mut layer = vec![String::new()];
        for _ in 0..longest {
            layer = layer.iter().flat_map(|path| alphabet.chars().map(move |c| format!("{path}{c}"))).collect();
            all.extend(layer.iter().filter(|path| path::normalise(path, false).as_ref() == Ok(path)).cloned());
        }
        all
    }

    #[test]
    fn a_path_covers_itself_and_what_is_beneath_and_not_its_namesakes() {
        for (entry, path, covered) in [
            ("src/a", "src/a", true),
            ("src/a", "src/a/b.rs", true),
            ("src/a", "src/ab", false),
            ("src/a", "src", false),
            ("./src/a", "src/a/b.rs", true),
            ("src\\a", "src/a/b.rs", true),
            ("src//a", "src/a", true),
            ("src/a/", "src/a", true),
            ("src/A", "src/a", false),
            ("src/*", "src/a/b", true),
            ("src/*", "src", false),
            ("src/*.rs", "src/a/b.rs", false),
            ("src/*.rs", "src/a.rs", true),
            ("src/*.rs", "src/a.rs/b", false),
            ("docs/*.{md,txt}", "docs/a.txt", true),
            ("docs/*.{md,txt}", "docs/a.txt/b", false),
            ("app/[id].tsx", "app/[id].tsx/b", false),
            ("src/*.{rs,}", "src/a.rs/b", true),
            ("src/*.", "src/a./b", true),
            ("src/v*", "src/v1.2/b", true),
            ("*.d/a", "x.d/a/b", true),
            ("a{,.rs}", "a.rs/b", true),
            ("{a/*,b/*.rs}", "a/x/y", true),
            ("src/**", "src", false),
            ("src/**", "src/a/b", true),
            ("src/**/b.rs", "src/b.rs", true),
            ("src/**/b.rs", "src/x/y/b.rs", true),
            ("**/b.rs", "b.rs", true),
            ("**", "a/b", true),
            ("*", ".env", true),
            ("a?c", "a/c", false),
            ("{src,lib}/a", "lib/a/x", true),
            ("{src/,docs/}", "docs/x", true),
            ("a{,.rs}", "a", true),
            ("a{,.rs}", "a.rs", true),
            ("app/[id]/page.tsx", "app/[id]/page.tsx", true),
            ("app/[id]/page.tsx", "app/i/page.tsx", true),
            ("app/[id]/page.tsx", "app/x/page.tsx", false),
            ("{{cookiecutter.name}}/setup.py", "{{cookiecutter.name}}/setup.py", true),
            ("src/?", "src/é", true),
            ("src/[é]", "src/é", true),
            ("src/**", "", false),
            ("**", "", false),
        ] {
            assert_eq!(pattern(entry).covers(path), covered, "{entry} and {path}");
        }
    }

    #[test]
    fn case_matters_unless_the_board_says_otherwise() {
        for (entry, path) in [
            ("Src/A.rs", "src/a.RS"),
            ("src/*.RS", "SRC/x.rs"),
            ("src/[A-C]x", "src/bX"),
            ("src/[!x]", "src/A"),
            ("docs/Ä*", "DOCS/äpfel"),
            ("docs/[À-Ü]", "docs/é"),
        ] {
            assert!(Pattern::new(entry, true).is_ok_and(|p| p.covers(path)), "{entry} and {path}");
        }
        assert!(!pattern("Src/A.rs").covers("src/a.rs"));
        assert!(!Pattern::new("src/[!a]", true).is_ok_and(|p| p.covers("src/A")));
    }

    #[test]
    fn overlap_is_a_proof_and_not_a_guess() {
        for (a, b, overlap) in [
            ("src/a", "src/a", true),
            ("src/a", "src/a/b.rs", true),
            ("src/a", "src/ab", false),
            ("src", "src/**", true),
            ("src/a.rs", "src/*.rs", true),
            ("src/a.rs", "src/*.ts", false),
            ("src/*.rs", "src/a*", true),
            ("src/*.rs", "src/*.ts", false),
            ("src/?.rs", "src/?.ts", false),
            ("a/*/c", "a/b/d", false),
            ("a/*/c", "*/b/c", true),
            ("**/*.rs", "**/*.md", false),
            ("src/*.rs", "src/a.rs/b", false),
            ("src/*.rs", "src", true),
            ("src/**", "**/*.rs", true),
            ("docs/*.{md,txt}", "docs/*.txt", true),
            ("docs/*.{md,txt}", "**/*.rs", false),
            ("**/*.rs", "docs", true),
            ("**/a/**", "b/*/c", true),
            ("[ab]", "[bc]", true),
            ("[ab]", "[cd]", false),
            ("[!a]", "a", false),
            ("{a,b}/x", "{c,d}/x", false),
            ("{a,b}/x", "{b,c}/x", true),
            ("src/{a,b}", "src/a/deep/file", true),
            ("src", "srcs", false),
            ("app/[id]/page.tsx", "app/[id]", true),
            // Only names that no path can have would be in both.
            ("a/[.]", "a/?/b", false),
            ("[.]x", ".x", true),
            ("[.]", "?", false),
            ("[.]", "{.,b}", false),
        ] {
            assert_eq!(pattern(a).overlaps(&pattern(b)), overlap, "{a} and {b}");
            assert_eq!(pattern(b).overlaps(&pattern(a)), overlap, "{b} and {a}");
        }
    }

    #[test]
    fn entries_that_are_no_patterns_are_refused() {
        let long = format!("src/*{}", "x".repeat(GLOB_MAX));
        for text in ["", "/a", "../*", "a[", "a{b", "*}b", "a[z-a]", "C:/*", long.as_str()] {
            assert!(Pattern::new(text, false).is_err(), "{text:?} was accepted");
        }
        assert!(Pattern::new(&"x".repeat(GLOB_MAX + 1), false).is_ok(), "a plain path may be longer than a glob");
    }

    #[test]
    fn a_lock_made_by_hand_counts_even_if_squad_would_refuse_it() {
        let long = format!("src/deep/x*/{}", "[a-z]".repeat(GLOB_MAX));
        for (entry, path, covered) in [
            ("/src/a", "src/a/b", true),
            ("src/../lib", "lib/x", true),
            ("app/[id", "app/[id", true),
            ("app/[id", "app/i", false),
            (".", "anything", true),
            (long.as_str(), "src/deep/y", true),
            (long.as_str(), "src/other", false),
        ] {
            let read = Pattern::lenient(entry, false).expect("it names something");
            assert_eq!(read.covers(path), covered, "{entry} and {path}");
            let path = Pattern::lenient(path, false).expect("it is not blank");
            assert_eq!(read.overlaps(&path), covered, "{entry} and {path:?}");
        }
        assert!(Pattern::lenient("", false).is_none());
        assert!(Pattern::lenient(&"x".repeat(path::PATH_MAX + 1), false).is_none());
    }

    #[test]
    fn hostile_globs_are_compared_in_bounded_time() {
        let fill = |unit: &str| unit.repeat(GLOB_MAX / unit.len());
        let nested = format!("{}{}", "{a,".repeat(60), "}".repeat(60));
        let globs =
            [fill("*a"), fill("*b"), fill("a/**/"), fill("?*"), fill("[!a]*"), fill("{a,b}"), fill("*{a,*b}"), nested];
        let patterns: Vec<Pattern> = globs.iter().map(|glob| pattern(glob)).collect();
        let begun = std::time::Instant::now();
        for a in &patterns {
            for b in &patterns {
                assert_eq!(a.overlaps(b), b.overlaps(a), "{a:?} and {b:?}");
            }
            assert!(a.overlaps(a));
        }
        // Takes about a second without optimisation; a search that is not bounded does not end at all.
        assert!(begun.elapsed().as_secs() < 60);
    }

    /// Globs over a small alphabet, dense in everything that the syntax knows.
    fn any_glob() -> impl Strategy<Value = String> {
        let atom = prop::sample::select(vec![
            "a",
            "b",
            "/",
            "*",
            "?",
            "**",
            "/**/",
            "**/",
            "/**",
            "[ab]",
            "[!a]",
            "[a-b]",
            "[^b]",
            "a/",
            "b/*",
            "{a,b}",
            "{a,}",
            "{a/,b}",
            "{**/a,b}",
            "{a,b/**}",
            "{[ab]/b,*}",
            ".",
            "..",
            ".a",
            "*.a",
            "*.{a,b}",
        ]);
        prop::collection::vec(atom, 1..6).prop_map(|atoms| atoms.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn covering_agrees_with_globset(glob in any_glob(), ignore_case: bool) {
            let (Ok(pattern), Some(oracle)) = (Pattern::new(&glob, ignore_case), globset(&glob, ignore_case)) else {
                prop_assert_eq!(Pattern::new(&glob, ignore_case).is_err(), globset(&glob, ignore_case).is_none());
                return Ok(());
            };
            let plain = if ignore_case { "aB/" } else { "ab/" };
            for path in all_paths(plain, 6).into_iter().chain(all_paths("a./", 6)) {
                prop_assert_eq!(pattern.covers(&path), globset_covers(&oracle, &path), "{} and {}", glob, path);
            }
        }

        #[test]
        fn overlap_is_found_exactly_when_there_is_a_common_path(a in any_glob(), b in any_glob(), ignore_case: bool) {
            let (Ok(a), Ok(b)) = (Pattern::new(&a, ignore_case), Pattern::new(&b, ignore_case)) else { return Ok(()) };
            let mut paths = all_paths("ab/", 6).into_iter().chain(all_paths("a./", 6));
            let common = paths.find(|path| a.covers(path) && b.covers(path));
            if let Some(path) = common {
                prop_assert!(a.overlaps(&b) && b.overlaps(&a), "{} is in both {:?} and {:?}", path, a.as_str(), b.as_str());
            }
            prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
            if let Some(witness) = a.overlap_witness(&b) {
                prop_assert_eq!(path::normalise(&witness, ignore_case), Ok(witness.clone()));
                prop_assert!(a.covers(&witness) && b.covers(&witness), "{} is not in both", witness);
                let oracles = globset(a.as_str(), ignore_case).zip(globset(b.as_str(), ignore_case));
                let (in_a, in_b) = oracles.map(|(x, y)| (globset_covers(&x, &witness), globset_covers(&y, &witness))).expect("both are globs");
                let spelled = |p: &Pattern| path::normalise(p.as_str(), ignore_case).is_ok_and(|text| path::is_at_or_beneath(&witness, &text));
                prop_assert!((in_a || spelled(&a)) && (in_b || spelled(&b)), "globset does not find {}", witness);
            }
        }

        #[test]
        fn no_entry_makes_squad_panic(a in ".{0,24}", b in r"[ab/*?\[\]{},!.^-]{0,24}", ignore_case: bool) {
            let read = [&a, &b].map(|text| Pattern::lenient(text, ignore_case));
            if let [Some(a), Some(b)] = &read {
                prop_assert_eq!(a.overlaps(b), b.overlaps(a));
            }
            // Without a wildcard an entry is a plain path, whatever globset thinks of a lone brace.
            for text in [&a, &b].into_iter().filter(|text| text.contains(WILDCARDS)) {
                prop_assert_eq!(Pattern::new(text, ignore_case).is_ok(), globset(text, ignore_case).is_some() , "{:?}", text);
            }
        }
    }
}
