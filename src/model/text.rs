//! Which characters a text may hold: what could move a cursor, hide a word or reverse a line is named here once.
//!
//! Owns the sets; knows nothing of fields. The same sets stand as patterns in `schema/*.schema.json`; a test
//! proves them equal.

/// Returns the first character that a one-line text must not hold.
///
/// Controls, line and paragraph separators, marks that change the direction of text, and characters without width:
/// each could make a title look like another, or end a line where none ends.
pub fn one_line_fault(text: &str) -> Option<char> {
    text.chars().find(|&c| !is_plain(c))
}

/// Tells whether the character may stand in a one-line text.
pub const fn is_plain(c: char) -> bool {
    !(is_control(c) || is_direction_mark(c) || is_invisible(c))
}

/// Returns the first character that a text of several lines must not hold: any control but newline and tab.
pub fn multi_line_fault(text: &str) -> Option<char> {
    text.chars().find(|&c| is_control(c) && c != '\n' && c != '\t')
}

/// Returns the first character that changes the direction of text: worth a warning where lines may be long.
pub fn direction_mark(text: &str) -> Option<char> {
    text.chars().find(|&c| is_direction_mark(c))
}

/// Tells whether the character is a C0 or C1 control or DEL.
const fn is_control(c: char) -> bool {
    matches!(c, '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}')
}

/// Tells whether the character embeds, overrides or isolates a direction, or marks one.
const fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Tells whether the character has no width or breaks a line without looking like it.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200D}' | '\u{2028}' | '\u{2029}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_no_character_that_moves_the_cursor_or_hides_text() {
        for bad in [
            '\0', '\n', '\t', '\u{1B}', '\u{7F}', '\u{9B}', '\u{61C}', '\u{200B}', '\u{200F}', '\u{2028}', '\u{202E}',
            '\u{2066}', '\u{FEFF}',
        ] {
            assert_eq!(one_line_fault(&format!("a{bad}b")), Some(bad), "{:04X}", u32::from(bad));
        }
        assert_eq!(one_line_fault("Größe: 数え ✓ 👍 – “quoted”"), None);
    }

    #[test]
    fn several_lines_may_hold_newlines_and_tabs_and_no_other_control() {
        assert_eq!(multi_line_fault("a\n\tb \u{202E}"), None);
        assert_eq!(multi_line_fault("a\rb"), Some('\r'));
        assert_eq!(multi_line_fault("a\0b"), Some('\0'));
        assert_eq!(direction_mark("a\n\u{202E}b"), Some('\u{202E}'));
        assert_eq!(direction_mark("a\u{200D}b"), None);
    }
}
