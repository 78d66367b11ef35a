//! What lists with a filter bar share: links with counts, choices, orders and pages, all of them URLs.

use crate::model::RowCount;

/// Rows per page.
pub const ROWS: usize = 50;

/// Longest text that is searched for, in characters.
const MAX_SEARCH: usize = 200;

/// One of several sets of rows, with the number of rows in it if that is known.
pub struct FilterLink {
    pub label: &'static str,
    pub url: String,
    pub count: Option<String>,
    pub is_here: bool,
}

/// An option of a list of choices.
pub struct Choice {
    pub value: String,
    pub label: String,
    pub is_chosen: bool,
}

/// The header of a column by which the list can be sorted.
#[derive(Default)]
pub struct SortLink {
    /// `None` if it cannot be sorted now.
    pub url: Option<String>,
    /// `ascending` or `descending` if the list is in this order.
    pub direction: Option<&'static str>,
}

/// The foot of a list: which rows these are, and the neighbouring pages.
pub struct ListPager {
    /// Such as `1–50 of 107`; empty without rows.
    pub range: String,
    pub previous: Option<String>,
    pub next: Option<String>,
}

impl ListPager {
    pub fn range(before: u32, rows: usize, count: Option<RowCount>) -> String {
        if rows == 0 {
            return String::new();
        }
        let (first, last) = (u64::from(before) + 1, u64::from(before) + rows as u64);
        let numbers =
            if first == last { thousands(first) } else { format!("{}–{}", thousands(first), thousands(last)) };
        match count {
            Some(count) if count.is_exact && count.number >= last => {
                format!("{numbers} of {}", thousands(count.number))
            }
            Some(count) if count.number >= RowCount::MAX => format!("{numbers} of {}", count_text(count)),
            _ => numbers,
        }
    }
}

/// `1,234`, or `10,000+` if there are more than were counted.
pub fn count_text(count: RowCount) -> String {
    format!("{}{}", thousands(count.number), if count.is_exact { "" } else { "+" })
}

/// The number with a comma between groups of three digits.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The text that is searched for, if there is any.
pub fn search_text(q: &str) -> Option<String> {
    let text = q.trim();
    (!text.is_empty()).then(|| text.chars().take(MAX_SEARCH).collect())
}

/// The path with those parameters that have a value.
pub fn query_url(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()));
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_which_of_how_many_rows_it_shows() {
        let exactly = |number| Some(RowCount::new(number, true));
        for (before, rows, count, text) in [
            (0, 50, exactly(107), "1–50 of 107"),
            (100, 7, exactly(107), "101–107 of 107"),
            (106, 1, exactly(107), "107 of 107"),
            (0, 50, exactly(20_000), "1–50 of 10,000+"),
            (9_999, 50, exactly(10_000_000), "10,000–10,049 of 10,000+"),
            (0, 50, Some(RowCount::new(12, false)), "1–50"),
            (0, 50, None, "1–50"),
            (0, 0, exactly(3), ""),
        ] {
            assert_eq!(ListPager::range(before, rows, count), text);
        }
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
