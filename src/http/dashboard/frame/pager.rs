//! Lists over several pages: the query of a list page and the links to its neighbours.

use serde::Deserialize;

use crate::error::Result;
use crate::model::Cursor;

/// Rows per page.
pub const ROWS: usize = 50;
/// Longest text that is searched for, in characters.
const MAX_SEARCH: usize = 200;

/// The query of a page. Unknown parameters are ignored.
#[derive(Debug, Default, Deserialize)]
pub struct ListQuery {
    #[serde(default)]
    pub q: String,
    pub after: Option<String>,
}

/// URLs of the neighbouring pages.
#[derive(Clone, Default)]
pub struct Pager {
    pub newer: Option<String>,
    pub older: Option<String>,
}

impl ListQuery {
    pub fn search(&self) -> Option<String> {
        let text = self.q.trim();
        (!text.is_empty()).then(|| text.chars().take(MAX_SEARCH).collect())
    }

    pub fn cursor(&self) -> Result<Option<Cursor>> {
        self.after.as_deref().map(Cursor::parse).transpose()
    }

    /// Links to the neighbouring pages; `older` is where the next page starts. Going back to newer rows starts from
    /// the newest.
    pub fn pager(&self, path: &str, older: Option<String>) -> Pager {
        let link = |after: Option<String>| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            if !self.q.is_empty() {
                query.append_pair("q", &self.q);
            }
            if let Some(after) = after {
                query.append_pair("after", &after);
            }
            match query.finish() {
                empty if empty.is_empty() => path.to_owned(),
                query => format!("{path}?{query}"),
            }
        };
        Pager { newer: self.after.is_some().then(|| link(None)), older: older.map(|cursor| link(Some(cursor))) }
    }
}
