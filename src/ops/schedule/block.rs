//! The lines of one clone in a crontab, between two marks; every other byte is somebody else's.
//!
//! Pure: bytes in, bytes out.

use std::ops::Range;

/// That the marks of a clone do not stand in a crontab as squad writes them: once each, in their order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damaged;

fn begin(id: &str) -> String {
    format!("# squad: begin {id}")
}

fn end(id: &str) -> String {
    format!("# squad: end {id}")
}

/// Returns the lines of a clone with their marks.
pub(super) fn block(id: &str, lines: &[String]) -> String {
    let mut text = begin(id) + "\n";
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text + &end(id) + "\n"
}

/// Returns where the block of a clone stands, with the line break at its end.
///
/// # Errors
/// [`Damaged`]
pub(super) fn find(text: &[u8], id: &str) -> Result<Option<Range<usize>>, Damaged> {
    let (begin, end) = (begin(id), end(id));
    let (mut from, mut to, mut at) = (None, None, 0);
    for line in text.split_inclusive(|b| *b == b'\n') {
        let bare = line.trim_ascii_end();
        if bare == begin.as_bytes() {
            if from.replace(at).is_some() {
                return Err(Damaged);
            }
        } else if bare == end.as_bytes() && to.replace(at + line.len()).is_some() {
            return Err(Damaged);
        }
        at += line.len();
    }
    match (from, to) {
        (None, None) => Ok(None),
        (Some(from), Some(to)) if from < to => Ok(Some(from..to)),
        _ => Err(Damaged),
    }
}

/// Returns the lines of a clone that are entries, without marks and comments.
pub(super) fn entries(text: &[u8], place: &Range<usize>) -> Vec<String> {
    let text = String::from_utf8_lossy(&text[place.clone()]);
    text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// Returns a crontab with the block where the former one stood, or at its end.
///
/// # Errors
/// [`Damaged`]
pub(super) fn with_block(text: &[u8], id: &str, block: &str) -> Result<Vec<u8>, Damaged> {
    let (before, after) = match find(text, id)? {
        Some(place) => (&text[..place.start], &text[place.end..]),
        None => (text, &[][..]),
    };
    let gap: &[u8] = if before.is_empty() || before.ends_with(b"\n") { b"" } else { b"\n" };
    Ok([before, gap, block.as_bytes(), after].concat())
}

/// Returns a crontab without the block.
pub(super) fn without(text: &[u8], place: &Range<usize>) -> Vec<u8> {
    [&text[..place.start], &text[place.end..]].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mark_that_stands_alone_or_twice_is_damage_and_that_of_another_clone_is_not() {
        let (begin, end) = ("# squad: begin me\n", "# squad: end me\n");
        for damaged in [
            begin.to_owned(),
            end.to_owned(),
            format!("{end}{begin}"),
            format!("{begin}{begin}{end}"),
            format!("{begin}{end}{end}"),
        ] {
            assert_eq!(find(damaged.as_bytes(), "me"), Err(Damaged), "{damaged}");
            assert_eq!(find(damaged.as_bytes(), "you"), Ok(None), "{damaged}");
        }
        assert_eq!(find(format!("x\n{begin}y\n{end}z").as_bytes(), "me"), Ok(Some(2..38)));
    }

    proptest! {
        #[test]
        fn whatever_stands_around_a_block_stays_as_it_is(before in "[ -~\n\t]{0,60}", after in "[ -~\n\t]{0,60}") {
            let (one, two) = (block("me", &["1".to_owned()]), block("me", &["2".to_owned(), "3".to_owned()]));
            let first = with_block(before.as_bytes(), "me", &one).unwrap();
            prop_assert!(first.starts_with(before.as_bytes()));
            prop_assert_eq!(&with_block(&first, "me", &one).unwrap(), &first);
            let grown = [first.as_slice(), after.as_bytes()].concat();
            let second = with_block(&grown, "me", &two).unwrap();
            let place = find(&second, "me").unwrap().unwrap();
            prop_assert_eq!(entries(&second, &place), ["2", "3"]);
            let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
            prop_assert_eq!(without(&second, &place), format!("{before}{gap}{after}").into_bytes());
        }
    }
}
