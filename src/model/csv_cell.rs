//! Keeps spreadsheets from running CSV cells as formulas. A spreadsheet treats text that begins with `=` and some other
//! characters as a formula (OWASP, "CSV Injection"); a leading apostrophe makes it text. Reading removes that
//! apostrophe, and no other.

/// The text as it is written into a cell.
pub fn protect(text: &str) -> String {
    let mut cell = String::with_capacity(text.len() + 1);
    let mut edge = CellEdge::default();
    for c in text.chars() {
        if edge.begins_formula(c) {
            cell.push('\'');
        }
        cell.push(c);
    }
    cell
}

/// The text that [`protect`] was given.
pub fn restore(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    let mut edge = CellEdge::default();
    for c in cell.chars() {
        if edge.begins_formula(c) && text.ends_with('\'') {
            text.pop();
        }
        text.push(c);
    }
    text
}

/// Whether the next character can begin a cell. A cell also begins after a semicolon, even within quotes, if the
/// spreadsheet's locale separates cells with semicolons.
struct CellEdge(bool);

impl Default for CellEdge {
    fn default() -> Self {
        CellEdge(true)
    }
}

impl CellEdge {
    /// Moves past `c`, and returns whether a formula begins with it.
    fn begins_formula(&mut self, c: char) -> bool {
        let begins = self.0 && matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠');
        self.0 = c == ';' || (self.0 && matches!(c, '\'' | '"' | ' '));
        begins
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formulas_become_text_and_other_cells_are_unchanged() {
        for formula in ["=HYPERLINK(1)", "+1", "-1", "@x", "\tx", "\rx", "＝1", "'=1", "''=1", "\"=1", " =1"] {
            let cell = protect(formula);
            assert!(cell.contains('\'') && cell.len() == formula.len() + 1, "{cell}");
            assert_eq!(restore(&cell), formula);
        }
        assert_eq!(protect("a;=1;\"=2"), "a;'=1;\"'=2");
        for text in ["", "a", "a=1", "a-b", "'quoted'", "''", "a;b", "{\"a\":-1}", "ab@example.com"] {
            assert_eq!((protect(text).as_str(), restore(text).as_str()), (text, text));
        }
    }

    proptest! {
        #[test]
        fn any_text_survives_a_round_trip(text in "[-'=+@;\" \t\ra-c＝é]{0,12}") {
            let cell = protect(&text);
            prop_assert_eq!(restore(&cell), text);
            prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']));
        }
    }
}
