//! The signed-in user's own account: password and sessions.

use askama::Template;

use super::shell::{Field, FieldError, Shell, When, errors_of};
use super::users::Role;

/// `GET /account`, and the answer to a `POST /account/password` that was refused.
#[derive(Template)]
#[template(path = "account.html")]
pub struct AccountPage {
    pub shell: Shell,
    pub email: String,
    pub role: Role,
    pub password: PasswordForm,
    pub sessions: Vec<SessionRow>,
}

/// The fields of the password form.
#[derive(Default)]
pub struct PasswordForm {
    pub current_password: Field,
    pub new_password: Field,
}

/// A log-in that is still good.
pub struct SessionRow {
    /// Names the session in URLs; never the cookie's value or its digest.
    pub id: String,
    pub started: When,
    pub last_seen: When,
    pub address: String,
    pub user_agent: String,
    /// The session that looks at this page.
    pub is_this_one: bool,
}

impl AccountPage {
    fn errors(&self) -> Vec<FieldError<'_>> {
        errors_of([
            ("current_password".to_owned(), &self.password.current_password),
            ("new_password".to_owned(), &self.password.new_password),
        ])
    }

    fn has_other_sessions(&self) -> bool {
        self.sessions.iter().any(|session| !session.is_this_one)
    }
}
