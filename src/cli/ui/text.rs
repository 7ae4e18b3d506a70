//! Lines and columns of text output: plain by default, styled where the terminal wants it.
//!
//! A [`Line`] can only be made of escaped pieces, so nothing that reaches the terminal through it can steer it.

use anstyle::{AnsiColor, Style};

use super::escape::{escape_line, truncate, width};

/// The style of the word `error`, and of what failed.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// The style of a warning, and of what waits for somebody.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// The style of what went well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// The style of a hint.
pub const HINT: Style = AnsiColor::Cyan.on_default();
/// The style of what is looked for first: ids, headings.
pub const STRONG: Style = Style::new().bold();
/// The style of what may be skipped.
pub const DIM: Style = Style::new().dimmed();

/// One line of output, made of escaped pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    rendered: String,
}

impl Line {
    /// Returns an empty line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds text as it is, with hidden characters spelled out.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.styled(Style::new(), text)
    }

    /// Adds text in a style, with hidden characters spelled out.
    #[must_use]
    pub fn styled(mut self, style: Style, text: &str) -> Self {
        let safe = escape_line(text);
        if style.is_plain() {
            self.rendered.push_str(&safe);
        } else {
            self.rendered.push_str(&format!("{style}{safe}{style:#}"));
        }
        self
    }

    /// Returns the line with its styles, without a line break.
    pub(crate) fn rendered(&self) -> &str {
        &self.rendered
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self::new().text(text)
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

/// One cell of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Returns a cell in a style.
    pub fn styled(style: Style, text: impl Into<String>) -> Self {
        Self { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(Style::new(), text)
    }
}

/// Rows of cells that stand below each other, without boxes: two blanks between columns, none at the end.
///
/// A column without any text is left out.
#[derive(Debug, Clone)]
pub struct Table {
    limits: Vec<usize>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Returns an empty table; `limits` is the most columns of the terminal that each of its columns may take.
    pub fn new(limits: &[usize]) -> Self {
        Self { limits: limits.to_vec(), rows: Vec::new() }
    }

    /// Adds a row. Cells beyond the last column are dropped, missing ones are empty.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// Tells whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the rows as lines.
    pub fn lines(&self) -> Vec<Line> {
        let shown: Vec<Vec<(String, Style)>> = self.rows.iter().map(|row| self.fitted(row)).collect();
        let widths: Vec<usize> = (0..self.limits.len())
            .map(|column| shown.iter().map(|row| width(&row[column].0)).max().unwrap_or(0))
            .collect();
        shown.iter().map(|row| aligned(row, &widths)).collect()
    }

    fn fitted(&self, row: &[Cell]) -> Vec<(String, Style)> {
        let cell = |i: usize| row.get(i).cloned().unwrap_or_default();
        let fit = |(i, limit): (usize, &usize)| {
            let Cell { text, style } = cell(i);
            (truncate(&escape_line(&text), *limit), style)
        };
        self.limits.iter().enumerate().map(fit).collect()
    }
}

fn aligned(row: &[(String, Style)], widths: &[usize]) -> Line {
    let mut line = Line::new();
    let mut gap = 0;
    for ((text, style), column) in row.iter().zip(widths) {
        if *column == 0 {
            continue;
        }
        if !text.is_empty() {
            line = line.text(&" ".repeat(gap)).styled(*style, text);
            gap = 0;
        }
        gap += column - width(text) + 2;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(table: &Table) -> String {
        let lines: Vec<_> =
            table.lines().iter().map(|l| anstream::adapter::strip_str(l.rendered()).to_string()).collect();
        lines.join("\n")
    }

    #[test]
    fn columns_stand_below_each_other_and_nothing_trails() {
        let mut table = Table::new(&[20, 20, 12, 20]);
        table.row(["mc-1".into(), Cell::styled(BAD, "blocked"), "".into(), "Fix login".into()]);
        table.row(["mc-1042".into(), "ready".into(), "".into(), "".into()]);
        table.row(["漢字".into(), "".into(), "".into(), "Wide".into()]);
        insta::assert_snapshot!(plain(&table), @r"
        mc-1     blocked  Fix login
        mc-1042  ready
        漢字              Wide
        ");
    }

    #[test]
    fn a_cell_that_is_too_wide_or_hostile_stays_in_its_column() {
        let mut table = Table::new(&[8, 40]);
        table.row(["a-very-long-id".into(), "one\u{1b}[2J\ntwo".into()]);
        table.row(["b".into(), "x".into()]);
        insta::assert_snapshot!(plain(&table), @r"
        a-very-…  one\u{1b}[2J\ntwo
        b         x
        ");
    }

    #[test]
    fn styles_surround_only_their_piece() {
        let line = Line::new().text("a ").styled(STRONG, "b\u{1b}").text(" c");
        assert_eq!(line.rendered(), "a \u{1b}[1mb\\u{1b}\u{1b}[0m c");
    }
}
