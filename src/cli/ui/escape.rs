//! Makes text from elsewhere safe to show: nothing in it can steer the terminal or hide from the reader.
//!
//! Task text, names, file names and what a remote says are written by others. Every writer to a terminal goes
//! through here; JSON goes through [`escape_json`], which keeps the meaning.

use std::fmt::Write as _;

/// Tells whether a character steers a terminal, reorders what stands around it, or cannot be seen.
///
/// The two presentation selectors that emoji carry (U+FE0E, U+FE0F) pass: they are common and change one glyph only.
pub(crate) fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(c,
        '\u{80}'..='\u{9f}'                               // C1: U+009B alone begins an escape sequence
        | '\u{ad}' | '\u{34f}' | '\u{61c}'                // soft hyphen, grapheme joiner, Arabic letter mark
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // fillers of Hangul
        | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'                         // zero width, directional marks
        | '\u{2028}'..='\u{202e}'                         // line and paragraph separators, embeddings, overrides
        | '\u{2060}'..='\u{206f}'                         // joiners, isolates, invisible operators
        | '\u{fe00}'..='\u{fe0d}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}'                       // tags and selectors that can carry a hidden message
    )
}

/// Returns the text fit for one line: every hidden character, line breaks and tabs among them, is spelled out.
pub fn escape_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c => push_visible(&mut out, c),
        }
    }
    out
}

/// Returns the text fit for several lines: line breaks and tabs stay, every other hidden character is spelled out.
pub fn escape_block(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' => out.push(c),
            // A line that ends as on Windows ends here as well; a lone return would overwrite what was printed.
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' => out.push_str("\\r"),
            c => push_visible(&mut out, c),
        }
    }
    out
}

fn push_visible(out: &mut String, c: char) {
    if is_hidden(c) {
        let _ = write!(out, "\\u{{{:x}}}", u32::from(c)); // writing to a string cannot fail
    } else {
        out.push(c);
    }
}

/// Returns serialized JSON with every hidden character as `\uXXXX`: the same value, safe to look at.
///
/// Takes compact JSON, where such a character can only stand within a string.
pub(crate) fn escape_json(json: String) -> String {
    if !json.chars().any(is_hidden) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Returns how many columns the text takes in a terminal, roughly: two for East Asian and emoji, none for marks.
pub fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}' | '\u{fe0e}' | '\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// Returns the text cut to at most `max` columns, with `…` in place of what was cut.
pub fn truncate(text: &str, max: usize) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += char_width(c);
        // One column is for the ellipsis.
        if used >= max {
            break;
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    if max > 0 {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The threats by name, written down apart from the table above.
    fn is_threat(c: char) -> bool {
        let n = u32::from(c);
        (n < 0x20 && c != '\n')
            || (0x7f..=0x9f).contains(&n)
            || [0x61c, 0x200e, 0x200f, 0x200b, 0x200c, 0x200d, 0x2060, 0xfeff].contains(&n)
            || (0x202a..=0x202e).contains(&n)
            || (0x2066..=0x2069).contains(&n)
    }

    fn hostile() -> impl Strategy<Value = String> {
        let nasty = prop::sample::select(vec![
            '\0',
            '\n',
            '\r',
            '\t',
            '\u{1b}',
            '\u{7}',
            '\u{7f}',
            '\u{9b}',
            '\u{85}',
            '\u{202e}',
            '\u{2066}',
            '\u{200b}',
            '\u{feff}',
            '\u{2028}',
            '\u{e0041}',
            '"',
            '\\',
        ]);
        prop::collection::vec(prop_oneof![nasty, any::<char>()], 0..40).prop_map(|v| v.into_iter().collect())
    }

    proptest! {
        #[test]
        fn no_text_can_steer_the_terminal(text in hostile()) {
            let line = escape_line(&text);
            prop_assert!(!line.chars().any(|c| is_threat(c) || c == '\n'), "{line:?}");
            let block = escape_block(&text);
            prop_assert!(!block.chars().any(|c| is_threat(c) && c != '\t'), "{block:?}");
            prop_assert_eq!(escape_line(&line), line, "escaping twice changes nothing");
        }

        #[test]
        fn escaped_json_is_the_same_value(text in hostile()) {
            let json = serde_json::to_string(&text).expect("a string");
            let safe = escape_json(json);
            prop_assert!(!safe.chars().any(|c| is_threat(c) || c == '\n'), "{safe:?}");
            prop_assert_eq!(serde_json::from_str::<String>(&safe).expect("still JSON"), text);
        }

        #[test]
        fn a_cut_text_fits(text in hostile(), max in 0usize..20) {
            prop_assert!(width(&truncate(&escape_line(&text), max)) <= max);
        }
    }

    #[test]
    fn what_was_hidden_is_spelled_out_where_it_stood() {
        assert_eq!(escape_line("a\u{1b}[31mb\nc\td"), "a\\u{1b}[31mb\\nc\\td");
        assert_eq!(escape_line("\u{202e}txt.exe\u{9b}2J"), "\\u{202e}txt.exe\\u{9b}2J");
        assert_eq!(escape_block("one\r\n\ttwo\rthree\u{7}"), "one\n\ttwo\\rthree\\u{7}");
        assert_eq!(escape_line("naïve – ⚠\u{fe0f} 漢字"), "naïve – ⚠\u{fe0f} 漢字");
        assert_eq!(escape_json("\"\u{9b}\u{e0041}\"".to_owned()), "\"\\u009b\\udb40\\udc41\"");
    }

    #[test]
    fn a_long_text_ends_in_an_ellipsis() {
        assert_eq!(truncate("short", 5), "short");
        assert_eq!(truncate("longer than that", 7), "longer…");
        assert_eq!(truncate("longer than that", 8), "longer…");
        assert_eq!(truncate("漢字漢字", 5), "漢字…");
        assert_eq!(truncate("abc", 1), "…");
    }
}
