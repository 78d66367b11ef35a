//! The address of a list of keys: which keys it shows, in which order, and which page. Everything is in the URL, so that
//! a list can be bookmarked and the way back leads to the same one.

use serde::Deserialize;

use super::origin::ListOrigin;
use crate::error::Result;
use crate::http::dashboard::frame::{ROWS, query_url, search_text};
use crate::model::{KeyFilter, KeySet, KeySort, ListCursor, SortedBy, UserId, parse_filter_scope};

/// The query of a list. Unknown parameters are ignored, and so is a value that the page does not offer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct KeyListQuery {
    pub q: String,
    pub show: String,
    /// An email or an id.
    pub owner: String,
    pub scope: String,
    pub sort: String,
    /// Where the page begins or, on the way back, ends.
    pub after: String,
}

/// The value of `show` for each set.
const SETS: [(&str, KeySet); 7] = [
    ("", KeySet::All),
    ("active", KeySet::Active),
    ("expiring", KeySet::Expiring),
    ("unused", KeySet::Unused),
    ("never-expiring", KeySet::NeverExpiring),
    ("expired", KeySet::Expired),
    ("disabled", KeySet::Disabled),
];

impl KeyListQuery {
    pub fn search(&self) -> Option<String> {
        search_text(&self.q)
    }

    pub fn set(&self) -> KeySet {
        SETS.iter().find(|(name, _)| *name == self.show).map_or(KeySet::All, |(_, set)| *set)
    }

    /// The order that was asked for; otherwise the one that the set is looked at in.
    pub fn sort(&self) -> KeySort {
        KeySort::parse(&self.sort).unwrap_or(match self.set() {
            KeySet::Expiring => KeySort { by: SortedBy::ExpiresAt, is_descending: false },
            KeySet::Expired => KeySort { by: SortedBy::ExpiresAt, is_descending: true },
            _ => KeySort::NEWEST,
        })
    }

    /// The keys of this page, of this owner or of everyone within reach.
    pub fn filter(&self, owner: Option<UserId>) -> Result<KeyFilter> {
        let cursor = (!self.after.is_empty()).then_some(self.after.as_str());
        let filter = KeyFilter {
            owner,
            search: self.search(),
            scope: (!self.scope.is_empty()).then(|| parse_filter_scope(&self.scope)).transpose()?,
            sort: self.sort(),
            at: cursor.map(ListCursor::parse).transpose()?,
            limit: ROWS,
            ..KeyFilter::default()
        };
        Ok(filter.within(self.set()))
    }

    /// Whether the list may leave out keys that exist.
    pub fn is_narrowed(&self) -> bool {
        [&self.q, &self.show, &self.owner, &self.scope].iter().any(|value| !value.trim().is_empty())
    }

    pub fn url(&self, path: &str) -> String {
        let KeyListQuery { q, show, owner, scope, sort, after } = self;
        let pairs = [("q", q), ("show", show), ("owner", owner), ("scope", scope), ("sort", sort), ("after", after)];
        query_url(path, &pairs.map(|(name, value)| (name, value.as_str())))
    }

    /// The first page of the keys in this set.
    pub fn showing(&self, set: KeySet) -> Self {
        let name = SETS.iter().find(|(_, other)| *other == set).map_or("", |(name, _)| name);
        KeyListQuery { show: name.to_owned(), sort: String::new(), after: String::new(), ..self.clone() }
    }

    /// The first page in this order.
    pub fn sorted(&self, sort: Option<KeySort>) -> Self {
        let sort = sort.map_or_else(String::new, KeySort::text);
        KeyListQuery { sort, after: String::new(), ..self.clone() }
    }

    pub fn at(&self, cursor: &ListCursor) -> Self {
        KeyListQuery { after: cursor.text(), ..self.clone() }
    }

    /// What links to keys carry, so that the way back leads here.
    pub fn origin(&self, path: &str) -> ListOrigin {
        ListOrigin::of(&self.url(path))
    }
}
