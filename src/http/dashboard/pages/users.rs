//! People, for admins: the list, one user, a new user.

use askama::Template;

use super::shell::{Field, FieldError, Pager, Shell, When, errors_of};

/// `GET /users`.
#[derive(Template)]
#[template(path = "users.html")]
pub struct UsersPage {
    pub shell: Shell,
    pub users: Vec<UserRow>,
    pub pager: Pager,
}

/// A user in the list.
pub struct UserRow {
    pub id: String,
    pub email: String,
    pub role: Role,
    /// The fields that cannot be read, in words; `None`: all can.
    pub damage: Option<String>,
    pub is_active: bool,
    pub keys: u64,
    pub created: When,
    /// `None`: never logged in.
    pub last_login: Option<When>,
}

/// What a user may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Member,
    Admin,
}

/// `GET /users/new`, and the answer to a `POST /users` that was refused.
#[derive(Template)]
#[template(path = "user_new.html")]
pub struct NewUserPage {
    pub shell: Shell,
    pub email: Field,
    pub role: Role,
    pub password: Field,
    /// `Some`: ask for the admin's own password once more, as `current_password`.
    pub current_password: Option<Field>,
}

/// `GET /users/{id}`.
#[derive(Template)]
#[template(path = "user.html")]
pub struct UserPage {
    pub shell: Shell,
    pub id: String,
    pub email: String,
    pub role: Role,
    /// The fields that cannot be read, in words; `None`: all can.
    pub damage: Option<String>,
    pub is_active: bool,
    /// The page of the admin who looks at it; nobody deactivates their own user here.
    pub is_me: bool,
    pub keys: u64,
    pub sessions: u64,
    pub created: When,
    pub last_login: Option<When>,
}

impl NewUserPage {
    fn errors(&self) -> Vec<FieldError<'_>> {
        let asked_again = self.current_password.iter();
        let fields = [("email".to_owned(), &self.email), ("password".to_owned(), &self.password)];
        errors_of(fields.into_iter().chain(asked_again.map(|field| ("current_password".to_owned(), field))))
    }
}
