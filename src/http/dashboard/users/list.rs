//! `/users`: all users.

use actix_web::HttpResponse;
use askama::Template;

use crate::http::dashboard::frame::{Admin, Nav, PageError, Pager, Shell, When, unreadable_fields};
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
    /// The fields that cannot be read, in words; `None` if all can be read.
    damage: Option<String>,
    is_active: bool,
    keys: u64,
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
            keys: user.keys,
            created: user.created_at.into(),
            last_login: user.last_login_at.map(When::from),
        }
    }
}

pub async fn page(admin: Admin) -> Result<HttpResponse, PageError> {
    let who = admin.0;
    let users = who.site.auth.users(&who.asking()).await?;
    who.ok(&UsersPage {
        shell: who.shell("People", Nav::Users)?,
        users: users.into_iter().map(UserListItem::from).collect(),
        pager: Pager::default(),
    })
}
