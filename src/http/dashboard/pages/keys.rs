//! My keys, one key, making a key, and the one page that shows a key's text.

use askama::Template;

use super::shell::{Field, FieldError, Nav, Pager, Shell, When, errors_of};
pub use crate::model::KeyState;

/// `GET /keys`: the signed-in user's own keys.
#[derive(Template)]
#[template(path = "keys.html")]
pub struct KeysPage {
    pub shell: Shell,
    pub keys: Vec<KeyRow>,
    pub pager: Pager,
    /// Without a trailing slash; the curl line of the empty state names it.
    pub public_url: String,
}

/// A key in a list.
pub struct KeyRow {
    pub id: String,
    pub name: String,
    pub hint: String,
    /// Shown by the list of everybody's keys only.
    pub owner: Option<Owner>,
    pub scopes: Vec<String>,
    pub created: When,
    /// `None`: never.
    pub expires: Option<When>,
    pub expires_soon: bool,
    /// `None`: never used.
    pub last_used: Option<When>,
    pub state: KeyState,
}

/// The user a key belongs to.
pub struct Owner {
    pub id: String,
    pub email: String,
}

/// `GET /keys/new`, and the answer to a `POST /keys` that was refused.
#[derive(Template)]
#[template(path = "key_new.html")]
pub struct NewKeyPage {
    pub shell: Shell,
    /// Sent back as `form_id`, so that a second post of the same form is known.
    pub form_id: Option<String>,
    pub name: Field,
    /// One of `EXPIRIES`, by its value.
    pub expires: Field,
    /// `YYYY-MM-DD`, read when `expires` is `custom`: the key works until the end of that day, in the time zone
    /// that the script sends along, else in UTC.
    pub expires_on: Field,
    /// Earliest day of `expires_on` in UTC, `YYYY-MM-DD`.
    pub earliest_day: Option<String>,
    /// The scopes to keep; three empty inputs follow them.
    pub scopes: Vec<Field>,
    /// Offered while typing.
    pub known_scopes: Vec<String>,
    /// Empty for members.
    pub keybearer_scopes: Vec<ScopeChoice>,
    /// One range a line.
    pub allowed_ips: Field,
    /// `Some`: ask for the password once more, as `current_password`.
    pub current_password: Option<Field>,
}

/// A scope of Keybearer's own, as a checkbox.
pub struct ScopeChoice {
    pub scope: &'static str,
    pub meaning: &'static str,
    pub is_chosen: bool,
}

/// The answer to a good `POST /keys`: the only page that ever holds the key's text.
///
/// No `Debug` and no `Clone`, so that the text has no second way out.
#[derive(Template)]
#[template(path = "key_shown.html")]
pub struct KeyShown {
    pub shell: Shell,
    pub id: String,
    pub name: String,
    pub key: String,
    /// Without a trailing slash.
    pub public_url: String,
    /// The key in whose place it came.
    pub replaces: Option<Replaced>,
}

/// A key that was rotated.
pub struct Replaced {
    pub hint: String,
    /// `None`: it was revoked at once.
    pub until: Option<When>,
}

/// The answer to a form that was sent again: the key was made and shown before.
#[derive(Template)]
#[template(path = "key_once_before.html")]
pub struct KeyOnceBefore {
    pub shell: Shell,
    pub id: String,
    pub name: String,
}

/// `GET /keys/{id}`.
#[derive(Template)]
#[template(path = "key.html")]
pub struct KeyPage {
    pub shell: Shell,
    pub id: String,
    pub name: String,
    pub hint: String,
    /// `Some` for admins.
    pub owner: Option<Owner>,
    pub state: KeyState,
    /// The fields that cannot be read, in words; `None`: all can.
    pub damage: Option<String>,
    /// Decides between the Disable and the Enable form.
    pub is_enabled: bool,
    pub is_imported: bool,
    pub scopes: Vec<String>,
    pub created: When,
    pub expires: Option<When>,
    pub expires_soon: bool,
    pub last_use: Option<LastUse>,
    /// Empty: from anywhere.
    pub allowed_ips: Vec<String>,
    /// Such as `100 requests a minute`; `None`: no limit.
    pub rate_limit: Option<String>,
    /// `Some`: show the Edit form.
    pub edit_name: Option<Field>,
    /// Show the Rotate form.
    pub can_rotate: bool,
    /// The chosen one of `OVERLAPS`, by its value.
    pub overlap: String,
    /// When the new key of a rotation ends: empty or the chosen one of `EXPIRIES`, by its value.
    pub new_expiry: String,
    /// What the key was created with, such as `90 days`; `None`: for ever.
    pub lifetime: Option<String>,
    /// `Some`: ask for the password once more before rotating, as `current_password`.
    pub rotate_password: Option<Field>,
}

/// When and from where a key was last used.
pub struct LastUse {
    pub at: When,
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

/// The values of `expires` and the words beside them.
const EXPIRIES: [(&str, &str); 6] = [
    ("7d", "In 7 days"),
    ("30d", "In 30 days"),
    ("90d", "In 90 days"),
    ("365d", "In 1 year"),
    ("never", "Never"),
    ("custom", "On a day…"),
];

/// The values of `overlap` and the words beside them.
const OVERLAPS: [(&str, &str); 4] =
    [("0", "at once"), ("1h", "in 1 hour"), ("24h", "in 24 hours"), ("7d", "in 7 days")];

const KEYBEARER_SCOPES: [(&str, &str); 4] = [
    ("keybearer:verify", "ask whether any key is good, and why not"),
    ("keybearer:keys", "list, make, change and revoke everybody's keys"),
    ("keybearer:users", "add, change and deactivate users"),
    ("keybearer:events", "read the audit log"),
];

/// Keybearer's own scopes as checkboxes, those in `chosen` ticked.
pub fn keybearer_scopes(chosen: &[String]) -> Vec<ScopeChoice> {
    let choice = |(scope, meaning): (&'static str, &'static str)| ScopeChoice {
        scope,
        meaning,
        is_chosen: chosen.iter().any(|one| one == scope),
    };
    KEYBEARER_SCOPES.into_iter().map(choice).collect()
}

impl NewKeyPage {
    fn errors(&self) -> Vec<FieldError<'_>> {
        let scopes = self.scopes.iter().enumerate();
        let fields = [
            ("name".to_owned(), &self.name),
            ("expires-7d".to_owned(), &self.expires),
            ("expires_on".to_owned(), &self.expires_on),
        ]
        .into_iter()
        .chain(scopes.map(|(number, scope)| (format!("scope-{number}"), scope)))
        .chain([("allowed_ips".to_owned(), &self.allowed_ips)])
        .chain(self.current_password.iter().map(|field| ("current_password".to_owned(), field)));
        errors_of(fields)
    }
}

impl KeyPage {
    fn errors(&self) -> Vec<FieldError<'_>> {
        let asked_again = self.rotate_password.iter().map(|field| ("current_password".to_owned(), field));
        errors_of(self.edit_name.iter().map(|name| ("name".to_owned(), name)).chain(asked_again))
    }
}
