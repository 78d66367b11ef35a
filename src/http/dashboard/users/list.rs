//! `/users`: everyone with an account.

use actix_web::HttpResponse;
use actix_web::web::Query;
use askama::Template;
use serde::Deserialize;

use crate::error::Result as Outcome;
use crate::http::dashboard::frame::{
    Admin, FilterLink, ListPager, Nav, PageError, ROWS, Shell, SignedIn, When, count_text, query_url, search_text,
    unreadable_fields,
};
use crate::model::{ListCursor, Role, RowCount, User, UserFilter, UserSet};

#[derive(Template)]
#[template(path = "users/list.html")]
struct UsersPage {
    shell: Shell,
    query: UserListQuery,
    sets: Vec<FilterLink>,
    users: Vec<UserListItem>,
    pager: ListPager,
}

/// The query of the list. Unknown parameters are ignored, and so is a set that does not exist.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct UserListQuery {
    q: String,
    show: String,
    after: String,
}

/// The value of `show` and the label of each set.
const SETS: [(&str, &str, UserSet); 4] = [
    ("", "All", UserSet::All),
    ("admins", "Admins", UserSet::Admins),
    ("members", "Members", UserSet::Members),
    ("deactivated", "Deactivated", UserSet::Deactivated),
];

struct UserListItem {
    id: String,
    email: String,
    role: Role,
    /// The fields that cannot be read, in words; `None` if all can be read.
    damage: Option<String>,
    is_active: bool,
    keys: String,
    created: When,
    /// `None` if the user never logged in.
    last_login: Option<When>,
}

impl From<User> for UserListItem {
    fn from(user: User) -> Self {
        UserListItem {
            id: user.id.to_string(),
            email: user.email.to_string(),
            role: user.role,
            damage: unreadable_fields(&user.unreadable),
            is_active: user.active,
            keys: count_text(RowCount::new(user.keys, true)),
            created: user.created_at.into(),
            last_login: user.last_login_at.map(When::from),
        }
    }
}

impl UserListQuery {
    fn set(&self) -> UserSet {
        SETS.iter().find(|(name, ..)| *name == self.show).map_or(UserSet::All, |(.., set)| *set)
    }

    fn filter(&self) -> Outcome<UserFilter> {
        let cursor = (!self.after.is_empty()).then_some(self.after.as_str());
        let filter = UserFilter {
            search: search_text(&self.q),
            role: None,
            active: None,
            counts_all_keys: false,
            at: cursor.map(ListCursor::parse).transpose()?,
            limit: ROWS,
        };
        Ok(filter.within(self.set()))
    }

    fn url(&self) -> String {
        query_url("/users", &[("q", &self.q), ("show", &self.show), ("after", &self.after)])
    }
}

pub async fn page(admin: Admin, query: Query<UserListQuery>) -> Result<HttpResponse, PageError> {
    let who = admin.0;
    who.ok(&UsersPage::read(&who, query.into_inner()).await?)
}

impl UsersPage {
    async fn read(who: &SignedIn, query: UserListQuery) -> Outcome<Self> {
        let (auth, asking, filter) = (&who.site.auth, who.asking(), query.filter()?);
        let counts = match filter.search {
            Some(_) => None,
            None => Some(auth.user_counts(&asking).await?),
        };
        let page = auth.users_page(&asking, filter).await?;
        let set = query.set();
        let count_of = |set: UserSet| {
            let place = UserSet::ALL.iter().position(|other| *other == set)?;
            counts.as_ref().map(|counts| counts[place])
        };
        let link = |(name, label, other): (&str, &'static str, UserSet)| FilterLink {
            label,
            url: UserListQuery { show: name.to_owned(), after: String::new(), ..query.clone() }.url(),
            count: count_of(other).map(count_text),
            is_here: other == set,
        };
        let turn = |cursor: &ListCursor| UserListQuery { after: cursor.text(), ..query.clone() }.url();
        Ok(UsersPage {
            shell: who.shell("People", Nav::Users)?,
            sets: SETS.map(link).into(),
            pager: ListPager {
                range: ListPager::range(page.rows_before, page.rows.len(), count_of(set)),
                previous: page.previous.as_ref().map(turn),
                next: page.next.as_ref().map(turn),
            },
            users: page.rows.into_iter().map(UserListItem::from).collect(),
            query,
        })
    }
}
