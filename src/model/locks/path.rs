//! Paths within the repository, as people and tools spell them, in one normal form.
//!
//! Owns that form: components joined by single slashes, none of them empty, `.` or `..`. Whether a file of that
//! name exists is nobody's business here.

use std::borrow::Cow;

/// Longest path in bytes: what Linux accepts in one call.
pub const PATH_MAX: usize = 4096;

/// Why a text names no path within the repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {text:?} {why}")]
pub struct BadPath {
    /// The text as it was given, cut short where it is long.
    pub text: String,
    /// The rule that it breaks, as the end of a sentence.
    pub why: &'static str,
}

/// Returns the path in normal form; with `ignore_case` folded, so that spellings of the same file are equal.
///
/// `\` becomes `/`; empty and `.` components are dropped, and with them a leading `./`, `//` and a trailing `/`.
/// Globs pass unharmed. Folding maps each character to its lower case where that is one character; different
/// Unicode compositions of the same letter stay different.
///
/// # Errors
/// [`BadPath`] when the text is empty, absolute, begins with a drive letter, has a `..` component, is longer than
/// [`PATH_MAX`], or holds a control, zero-width or direction-changing character.
pub fn normalise(text: &str, ignore_case: bool) -> Result<String, BadPath> {
    let normal = normal(text)?;
    Ok(if ignore_case { fold(&normal) } else { normal.into_owned() })
}

/// Returns the path in normal form as it is spelled; most are in it already.
///
/// # Errors
/// As [`normalise`].
pub(super) fn normal(text: &str) -> Result<Cow<'_, str>, BadPath> {
    if is_plainly_normal(text) { Ok(Cow::Borrowed(text)) } else { respelled(text).map(Cow::Owned) }
}

fn respelled(text: &str) -> Result<String, BadPath> {
    let bad = |why| BadPath { text: text.chars().take(200).collect(), why };
    if text.is_empty() {
        return Err(bad("is empty"));
    }
    if text.len() > PATH_MAX {
        return Err(bad("is longer than 4096 bytes"));
    }
    if text.chars().any(is_deceptive) {
        return Err(bad("holds a control character or an invisible one"));
    }
    if text.starts_with(is_separator) {
        return Err(bad("is absolute; name it from the top of the repository"));
    }
    let mut normal = String::with_capacity(text.len());
    for component in text.split(is_separator) {
        match component {
            "" | "." => {}
            ".." => return Err(bad("has a '..' component")),
            name => push_component(&mut normal, name),
        }
    }
    if let [drive, b':', ..] = normal.as_bytes()
        && drive.is_ascii_alphabetic()
    {
        return Err(bad("begins with a drive letter; name it from the top of the repository"));
    }
    if normal.is_empty() {
        return Err(bad("is the repository itself; the glob '**' stands for everything in it"));
    }
    Ok(normal)
}

/// Tells at a glance that a text is a path in normal form; most are. Of the rest nothing is told.
fn is_plainly_normal(text: &str) -> bool {
    // What the part so far is made of: nothing, dots alone, or more.
    let (mut length, mut dots) = (0, 0);
    let is_name = |length: usize, dots: usize| length > 2 || dots < length;
    for byte in text.bytes() {
        match byte {
            b'/' if !is_name(length, dots) => return false,
            b'/' => (length, dots) = (0, 0),
            b'\\' | b':' => return false,
            _ if !byte.is_ascii_graphic() => return false,
            _ => (length, dots) = (length + 1, dots + usize::from(byte == b'.')),
        }
    }
    is_name(length, dots) && text.len() <= PATH_MAX
}

/// Returns the path that a refused text comes nearest to: rooted in the repository, with `..` resolved.
///
/// The empty path is the repository itself. For entries of boards made by hand, where a lock on the wrong side
/// is better than none.
pub(super) fn salvage(text: &str, ignore_case: bool) -> String {
    let mut components: Vec<&str> = Vec::new();
    for component in text.split(is_separator) {
        match component {
            "" | "." => {}
            ".." => drop(components.pop()),
            name => components.push(name),
        }
    }
    let path = components.join("/");
    if ignore_case { fold(&path) } else { path }
}

/// Tells whether `path` is `top` or lies beneath it; both in normal form. Everything lies beneath the empty path.
pub(super) fn is_at_or_beneath(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| top.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

/// Folds each character on its own, so that a folded text has as many characters as the text.
pub(super) fn fold(text: &str) -> String {
    text.chars().map(fold_char).collect()
}

/// Returns the lower case of the character where that is one character, else the character.
pub(super) fn fold_char(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// Characters with which a path could look like another one, or drive a terminal.
pub(super) fn is_deceptive(c: char) -> bool {
    c.is_control() || DECEPTIVE.iter().any(|&(low, high)| (low..=high).contains(&c))
}

/// Zero-width characters, line separators and marks that change the direction of text; in ascending order.
pub(super) const DECEPTIVE: [(char, char); 6] = [
    ('\u{61C}', '\u{61C}'),
    ('\u{200B}', '\u{200F}'),
    ('\u{2028}', '\u{202E}'),
    ('\u{2060}', '\u{2069}'),
    ('\u{FEFF}', '\u{FEFF}'),
    ('\u{E0001}', '\u{E007F}'),
];

const fn is_separator(c: char) -> bool {
    matches!(c, '/' | '\\')
}

fn push_component(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(name);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_a_path_have_one_normal_form() {
        for (text, normal) in [
            ("src/a.rs", "src/a.rs"),
            ("./src/a.rs", "src/a.rs"),
            ("././src/a.rs", "src/a.rs"),
            (".\\src\\a.rs", "src/a.rs"),
            ("src\\a.rs", "src/a.rs"),
            ("src//a.rs", "src/a.rs"),
            ("src\\\\a.rs", "src/a.rs"),
            ("src///a.rs//", "src/a.rs"),
            ("src/./a.rs", "src/a.rs"),
            ("src/", "src"),
            ("src\\", "src"),
            ("src/.", "src"),
            ("-x", "-x"),
            ("--upload-pack=x", "--upload-pack=x"),
            (".github/a", ".github/a"),
            ("...", "..."),
            ("a..b/..c", "a..b/..c"),
            (" a b ", " a b "),
            ("src/**/*.rs", "src/**/*.rs"),
            ("Src/Ä.RS", "Src/Ä.RS"),
        ] {
            assert_eq!(normalise(text, false).as_deref(), Ok(normal), "{text:?}");
        }
    }

    #[test]
    fn case_is_folded_only_on_request() {
        for (text, folded) in [
            ("Src/A.rs", "src/a.rs"),
            ("SRC\\Ärger.RS", "src/ärger.rs"),
            // Its lower case is two characters, so it stays.
            ("İ", "İ"),
        ] {
            assert_eq!(normalise(text, true).as_deref(), Ok(folded), "{text:?}");
            assert_ne!(normalise(text, false).as_deref(), Ok("src/a.rs"), "{text:?}");
        }
    }

    #[test]
    fn texts_that_name_no_path_of_the_repository_are_refused() {
        for text in [
            "",
            ".",
            "./",
            ".\\.",
            "/",
            "/etc/passwd",
            "\\x",
            "\\\\server\\share",
            "C:\\x",
            "c:/x",
            "C:",
            "c:x",
            "./c:x",
            "..",
            "../x",
            "a/../b",
            "a/..",
            "a\\..\\b",
            "a\0b",
            "a\nb",
            "a\u{1b}[31m",
            "a\u{7f}",
            "a\u{85}",
            "a\u{202e}sr.b",
            "a\u{2066}b",
            "a\u{200b}b",
            "\u{feff}a",
            "a\u{e0041}b",
            &"x".repeat(PATH_MAX + 1),
        ] {
            assert!(normalise(text, false).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn the_refusal_says_which_rule_is_broken() {
        let error = normalise("a/../b", false).expect_err("leaves its folder");
        assert_eq!(error.to_string(), "path \"a/../b\" has a '..' component");
    }

    #[test]
    fn what_is_refused_still_comes_near_to_a_path() {
        for (text, path) in [
            ("/src/a", "src/a"),
            ("src/../lib/a", "lib/a"),
            ("../../a", "a"),
            ("C:\\a", "C:/a"),
            (".", ""),
            ("a/..", ""),
        ] {
            assert_eq!(salvage(text, false), path, "{text:?}");
        }
    }

    #[test]
    fn deceptive_ranges_are_in_order_and_apart() {
        assert!(DECEPTIVE.windows(2).all(|pair| pair[0].1 < pair[1].0));
        assert!(DECEPTIVE.iter().all(|(low, high)| low <= high));
    }

    proptest! {
        #[test]
        fn a_path_that_is_in_normal_form_at_a_glance_is_in_it(text in r"(\.|a|b1|/|\\|:|-|\*| |é){1,8}") {
            if is_plainly_normal(&text) {
                prop_assert_eq!(respelled(&text), Ok(text));
            }
        }

        #[test]
        fn a_normal_form_is_its_own_normal_form(text in r"[aA.:/\\ é*-]{0,12}", ignore_case: bool) {
            if let Ok(normal) = normalise(&text, ignore_case) {
                prop_assert_eq!(normalise(&normal, ignore_case), Ok(normal.clone()));
                prop_assert!(normal.split('/').all(|c| !matches!(c, "" | "." | "..")));
                prop_assert!(!normal.contains('\\'));
                prop_assert_eq!(salvage(&text, ignore_case), normal);
            }
        }
    }
}
