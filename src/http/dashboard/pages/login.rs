//! The pages in front of the dashboard: log in, and set up the first admin.

use askama::Template;

use super::shell::{Field, FieldError, Shell, errors_of};

/// `GET /login`, and the answer to a `POST /login` that was refused.
#[derive(Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    pub shell: Shell,
    /// Where to go if this page came over plain HTTP, which keeps no `Secure` cookie; the script can tell.
    pub secure_url: Option<String>,
    pub email: String,
    /// Own relative path to go to afterwards.
    pub next: Option<String>,
    /// Such as "E-mail or password is wrong."
    pub problem: Option<String>,
}

/// `GET /setup?token=…`, and the answer to a `POST /setup` that was refused.
#[derive(Template)]
#[template(path = "setup.html")]
pub struct SetupPage {
    pub shell: Shell,
    /// As on the log-in page.
    pub secure_url: Option<String>,
    pub token: String,
    pub email: Field,
    pub password: Field,
}

impl SetupPage {
    fn errors(&self) -> Vec<FieldError<'_>> {
        errors_of([("email".to_owned(), &self.email), ("password".to_owned(), &self.password)])
    }
}
