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
    let numbers =
        |range: std::ops::RangeInclusive<u32>, letter: &'static str| range.map(move |n| format!("{letter}{n}"));
    let wanted = numbers(1..=4, "C")
        .chain((1..=30).map(|n| format!("T{n:02}")))
        .chain(numbers(1..=9, "Part "))
        .chain(numbers(1..=15, "P"))
        .chain(numbers(1..=254, ""));
    let named: Vec<&str> = rows.iter().flat_map(|row| row[0].split(", ")).collect();
    for number in wanted {
        assert_eq!(named.iter().filter(|name| **name == number).count(), 1, "rows of {number}");
    }
}
