//! `docs/requirements-status.md`: no requirement without a row, no row without a state, no reference into the void.

use std::path::Path;

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

/// Returns the cells of each row: number, what squad does, what shows it, state.
fn rows() -> Vec<Vec<String>> {
    let text = read("docs/requirements-status.md").expect("the list is there");
    let lines =
        text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| # ") && !line.starts_with("| What "));
    lines.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn every_reference_leads_to_a_test() {
    let mut seen = 0;
    for row in rows() {
        for reference in row[2].split("<br>") {
            let reference = reference.trim_matches('`');
            let Some((path, name)) = reference.split_once("::") else { continue };
            let source = read(path).unwrap_or_else(|| panic!("{}: there is no {path}", row[0]));
            let declared =
                source.find(&format!("fn {name}(")).unwrap_or_else(|| panic!("{}: no {name} in {path}", row[0]));
            let before: Vec<_> = source[..declared].lines().rev().take(4).collect();
            assert!(before.iter().any(|line| line.contains("#[test]")), "{}: {path}::{name} is no test", row[0]);
            seen += 1;
        }
    }
    assert!(seen > 150, "{seen} references");
}

#[test]
fn every_requirement_has_its_row() {
    let rows = rows();
    for row in &rows {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        assert!(row[3] == "met" || row[3].starts_with("open: "), "{row:?}");
    }
    let numbers = |range: std::ops::RangeInclusive<u32>, letter: &'static str, width: usize| {
        range.map(move |n| format!("{letter}{n:0width$}"))
    };
    let named = [
        "5", "6", "15", "34", "41", "42", "50", "53", "64", "65", "67", "76", "78", "82", "85", "88", "249", "251",
        "252", "115", "116", "117", "118", "119", "124", "143", "155", "179", "240", "248", "250", "253", "254",
    ];
    let scheduled = ["1", "2", "36", "52", "57", "58", "68", "69", "72"];
    let failing = ["102", "106", "126", "127", "128", "129", "154", "156", "162"];
    let product = ["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11", "P12", "P13", "P14", "P15"];
    let wanted = numbers(1..=4, "C", 1)
        .chain(numbers(1..=30, "T", 2))
        .chain(numbers(1..=9, "Part ", 1))
        .chain(numbers(18..=20, "", 1))
        .chain(numbers(60..=62, "", 1))
        .chain(numbers(157..=168, "", 1))
        .chain(numbers(205..=208, "", 1))
        .chain(numbers(94..=98, "", 1))
        .chain(numbers(211..=239, "", 1))
        .chain(numbers(242..=246, "", 1))
        .chain(named.into_iter().chain(scheduled).chain(failing).chain(product).map(str::to_owned));
    for number in wanted {
        assert!(rows.iter().any(|row| row[0] == number), "{number} has no row");
    }
}
