//! A list of keys as both pages show it: the filter bar, the table with its order, ticks, and the pages.

use super::query::KeyListQuery;
use super::row::KeyListItem;
use crate::error::{Error, Result};
use crate::http::dashboard::frame::{Choice, FilterLink, ListPager, SignedIn, SortLink, count_text};
use crate::model::{KeyCounts, KeyFilter, KeyRecord, KeySet, KeySort, ListPage, SortedBy, Time, UserId};

/// Up to so many people are offered as owners; if there are more, the owner is typed.
const PEOPLE: usize = 100;

pub struct KeyList {
    pub path: &'static str,
    pub query: KeyListQuery,
    pub sets: Vec<FilterLink>,
    /// Empty if the owner is not asked for.
    pub owners: Vec<Choice>,
    /// Whether the owner's email is typed, because there are too many people.
    pub is_owner_typed: bool,
    pub scopes: Vec<Choice>,
    pub by_name: SortLink,
    pub by_last_use: SortLink,
    pub by_expiry: SortLink,
    pub keys: Vec<KeyListItem>,
    /// Whether the server stopped looking before the page was full.
    pub is_cut: bool,
    pub pager: ListPager,
    /// What links to keys carry, so that the way back leads to this list.
    pub from: String,
    /// This list's address, for the forms about selected keys.
    pub here: String,
}

impl KeyList {
    /// The caller's own keys.
    pub async fn own(who: &SignedIn, query: KeyListQuery) -> Result<Self> {
        let scopes = who.site.auth.scopes_in_use(&who.asking().caller).await?;
        Self::read(who, query, "/keys", Some(who.user().id), scopes, Vec::new()).await
    }

    /// Everyone's keys, for an admin.
    pub async fn all(who: &SignedIn, query: KeyListQuery) -> Result<Self> {
        let (auth, asking) = (&who.site.auth, who.asking());
        let owner = match query.owner.trim() {
            "" => None,
            text => Some(auth.owner(&asking.caller, text).await?),
        };
        let scopes = auth.scopes_of_newest(&asking.caller).await?;
        let people = auth.people(&asking, PEOPLE + 1).await?;
        let is_owner_typed = people.len() > PEOPLE;
        let chosen = owner.map(|id| id.to_string());
        let choice = |(id, email): (UserId, String)| Choice {
            is_chosen: chosen.as_ref() == Some(&id.to_string()),
            value: id.to_string(),
            label: email,
        };
        let owners = if is_owner_typed { Vec::new() } else { people.into_iter().map(choice).collect() };
        let list = Self::read(who, query, "/admin/keys", owner, scopes, owners).await?;
        Ok(KeyList { is_owner_typed, ..list })
    }

    async fn read(
        who: &SignedIn,
        query: KeyListQuery,
        path: &'static str,
        owner: Option<UserId>,
        scopes: Vec<String>,
        owners: Vec<Choice>,
    ) -> Result<Self> {
        let (auth, caller) = (&who.site.auth, who.asking().caller);
        let filter = query.filter(owner)?;
        let counts = match filter.search {
            Some(_) => None,
            None => Some(auth.key_counts(&caller, filter.clone()).await?),
        };
        let (page, is_sortable) = match auth.keys(&caller, filter.clone()).await {
            // A search among very many keys has only one order.
            Err(Error { field: Some("sort"), .. }) => {
                let filter = KeyFilter { sort: KeySort::NEWEST, ..filter };
                let at = filter.at.clone().filter(|cursor| cursor.check_list(filter.mark()).is_ok());
                (auth.keys(&caller, KeyFilter { at, ..filter }).await?, false)
            }
            page => (page?, true),
        };
        let reader = (path == "/admin/keys").then(|| who.user().id);
        Ok(Self::new(query, path, page, counts, is_sortable, reader, auth.now(), scopes, owners))
    }

    #[allow(clippy::too_many_arguments, reason = "these are the parts of one page, each read on its own")]
    fn new(
        query: KeyListQuery,
        path: &'static str,
        page: ListPage<KeyRecord>,
        counts: Option<KeyCounts>,
        is_sortable: bool,
        // Who reads the list of all keys, which names the owners.
        reader: Option<UserId>,
        now: Time,
        mut scopes: Vec<String>,
        owners: Vec<Choice>,
    ) -> Self {
        let set = query.set();
        let count_of = |set: KeySet| {
            let place = KeySet::ALL.iter().position(|other| *other == set)?;
            counts.as_ref().map(|counts| counts[place])
        };
        let sets = KeySet::ALL.map(|other| FilterLink {
            label: label(other),
            url: query.showing(other).url(path),
            count: count_of(other).map(count_text),
            is_here: other == set,
        });
        if !query.scope.is_empty() && !scopes.contains(&query.scope) {
            scopes.push(query.scope.clone());
        }
        let scope = |scope: String| Choice { is_chosen: scope == query.scope, label: scope.clone(), value: scope };
        let scopes = scopes.into_iter().map(scope).collect();
        let link = |by| if is_sortable { sort_link(&query, path, by) } else { SortLink::default() };
        let turn = |cursor| query.at(cursor).url(path);
        let pager = ListPager {
            range: ListPager::range(page.rows_before, page.rows.len(), count_of(set)),
            previous: page.previous.as_ref().map(turn),
            next: page.next.as_ref().map(turn),
        };
        let item = |record: &KeyRecord| match reader {
            Some(reader) => KeyListItem::with_owner(record, reader, now),
            None => KeyListItem::new(record, now),
        };
        KeyList {
            sets: sets.into(),
            owners,
            is_owner_typed: false,
            scopes,
            by_name: link(SortedBy::Name),
            by_last_use: link(SortedBy::LastUsedAt),
            by_expiry: link(SortedBy::ExpiresAt),
            keys: page.rows.iter().map(item).collect(),
            is_cut: page.is_cut,
            pager,
            from: query.origin(path).suffix(),
            here: query.url(path),
            path,
            query,
        }
    }

    /// Whether there is nothing that a filter could hide.
    pub fn is_blank(&self) -> bool {
        self.keys.is_empty() && !self.query.is_narrowed() && self.query.after.is_empty()
    }
}

fn label(set: KeySet) -> &'static str {
    match set {
        KeySet::All => "All",
        KeySet::Active => "Active",
        KeySet::Expiring => "Expiring",
        KeySet::Unused => "Unused 90 days",
        KeySet::NeverExpiring => "Never expire",
        KeySet::Expired => "Expired",
        KeySet::Disabled => "Disabled",
    }
}

/// A first press sorts in the usual direction, the second in the other one, the third as before.
fn sort_link(query: &KeyListQuery, path: &str, by: SortedBy) -> SortLink {
    let usual = KeySort { by, is_descending: by == SortedBy::LastUsedAt };
    let other = KeySort { is_descending: !usual.is_descending, ..usual };
    let now = query.sort();
    let next = match now {
        now if now == usual => Some(other),
        now if now == other => None,
        _ => Some(usual),
    };
    SortLink {
        url: Some(query.sorted(next).url(path)),
        direction: (now.by == by).then_some(if now.is_descending { "descending" } else { "ascending" }),
    }
}
