//! `/users`: everyone who can sign in.

use actix_web::HttpResponse;
use actix_web::web::Query;
use askama::Template;

use super::notices::ADDED;
use crate::http::dashboard::frame::{Admin, ListQuery, Nav, PageError, Pager, Shell, When, ok, unreadable_fields};
use crate::model::{Role, User};

#[derive(Template)]
#[template(path = "users/list.html")]
struct UsersPage {
    shell: Shell,
    users: Vec<UserListItem>,
    pager: Pager,
}

struct UserListItem {
    id: String,
    email: String,
    role: Role,
    /// The fields that cannot be read, in words; `None`: all can be read.
    damage: Option<String>,
    is_active: bool,
    keys: u64,
    created: When,
    /// `None`: never signed in.
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
            keys: user.keys,
            created: user.created_at.into(),
            last_login: user.last_login_at.map(When::from),
        }
    }
}

pub async fn page(admin: Admin, query: Query<ListQuery>) -> Result<HttpResponse, PageError> {
    let who = admin.0;
    let users = who.site.auth.users(&who.asking()).await?;
    Ok(ok(&UsersPage {
        shell: who.shell_with("People", Nav::Users, query.notice(&[ADDED]))?,
        users: users.into_iter().map(UserListItem::from).collect(),
        pager: Pager::default(),
    })?)
}
