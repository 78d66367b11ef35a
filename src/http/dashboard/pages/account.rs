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

impl SessionRow {
    /// "Firefox on Windows", for recognising one's own; the header's text where nothing is known of it.
    fn device(&self) -> String {
        let known = |names: &[(&str, &'static str)]| {
            names.iter().find(|(mark, _)| self.user_agent.contains(mark)).map(|(_, name)| *name)
        };
        // Most browsers also name the ones that they want to pass for; the most particular mark is first.
        let browser = known(&[
            ("Edg", "Edge"),
            ("OPR/", "Opera"),
            ("SamsungBrowser/", "Samsung Internet"),
            ("Firefox/", "Firefox"),
            ("FxiOS/", "Firefox"),
            ("Chrome/", "Chrome"),
            ("CriOS/", "Chrome"),
            ("Safari/", "Safari"),
            ("curl/", "curl"),
        ]);
        let system = known(&[
            ("Android", "Android"),
            ("iPhone", "iPhone"),
            ("iPad", "iPad"),
            ("Windows", "Windows"),
            ("Mac OS X", "macOS"),
            ("CrOS", "ChromeOS"),
            ("Linux", "Linux"),
        ]);
        match (browser, system) {
            (Some(browser), Some(system)) => format!("{browser} on {system}"),
            (Some(name), None) | (None, Some(name)) => name.to_owned(),
            (None, None) if self.user_agent.is_empty() => "Unknown".to_owned(),
            (None, None) => self.user_agent.chars().take(60).collect(),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_people_name_them() {
        let device = |user_agent: &str| {
            let when = || When { iso: String::new(), text: String::new() };
            let (started, last_seen) = (when(), when());
            let (id, address, user_agent) = (String::new(), String::new(), user_agent.to_owned());
            SessionRow { id, started, last_seen, address, user_agent, is_this_one: false }.device()
        };
        for (user_agent, name) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            ("curl/8.14.1", "curl"),
            ("my-script", "my-script"),
            ("", "Unknown"),
        ] {
            assert_eq!(device(user_agent), name);
        }
    }
}
