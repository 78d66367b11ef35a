//! `/users/{id}`: one user, with the forms that change what they can do.

use actix_web::HttpResponse;
use actix_web::web::Path;
use askama::Template;

use crate::error::Result as Outcome;
use crate::http::dashboard::events::{EventRow, history};
use crate::http::dashboard::frame::{
    Admin, Field, FieldError, Nav, PageError, Shell, SignedIn, When, errors_of, unreadable_fields,
};
use crate::model::{KeyFilter, KeyRecord, Role, User, UserId};

/// How many keys are listed where a person's keys would stop.
const KEYS_SHOWN: usize = 5;

#[derive(Template)]
#[template(path = "users/show.html")]
pub struct UserDetailsPage {
    shell: Shell,
    id: String,
    email: String,
    role: Role,
    /// The fields that cannot be read, in words; `None` if all can be read.
    damage: Option<String>,
    is_active: bool,
    /// Whether the admin is looking at their own page; nobody can deactivate themselves here.
    is_me: bool,
    keys: u64,
    /// The newest of them.
    newest_keys: Vec<StoppedKey>,
    sessions: u64,
    created: When,
    last_login: Option<When>,
    history: Vec<EventRow>,
    history_url: Option<String>,
    /// When the link expires that this person has and has not used.
    open_link: Option<When>,
    /// Who gets the keys.
    pub hand_over_to: Field,
}

/// A key that stops working with its owner.
struct StoppedKey {
    id: String,
    name: String,
    last_used: Option<When>,
}

pub async fn page(admin: Admin, id: Path<String>) -> Result<HttpResponse, PageError> {
    let who = admin.0;
    let user = who.site.auth.user(&who.asking(), UserId::parse(&id)?).await?;
    who.ok(&UserDetailsPage::new(&who, user).await?)
}

impl UserDetailsPage {
    pub async fn new(who: &SignedIn, user: User) -> Outcome<Self> {
        let (auth, asking) = (&who.site.auth, who.asking());
        let sessions = auth.sessions_of(&asking, user.id).await?;
        let newest = KeyFilter { owner: Some(user.id), limit: KEYS_SHOWN, ..KeyFilter::default() };
        let newest = auth.keys(&asking.caller, newest).await?.rows;
        Ok(UserDetailsPage {
            shell: who.shell(user.email.as_str(), Nav::Users)?,
            id: user.id.to_string(),
            email: user.email.to_string(),
            role: user.role,
            damage: unreadable_fields(&user.unreadable),
            is_active: user.active,
            is_me: user.id == who.user().id,
            keys: user.keys,
            newest_keys: newest.iter().map(StoppedKey::from).collect(),
            sessions: sessions.len() as u64,
            created: user.created_at.into(),
            last_login: user.last_login_at.map(When::from),
            open_link: auth.open_link_of(&asking, user.id).await?.map(|link| link.expires_at.into()),
            history: history(auth.user_history(&asking, user.id).await?, &user.id.to_string()),
            history_url: Some(format!("/events?person={}", user.id)),
            hand_over_to: Field::default(),
        })
    }

    fn errors(&self) -> Vec<FieldError<'_>> {
        errors_of([("to".to_owned(), &self.hand_over_to)])
    }
}

impl From<&KeyRecord> for StoppedKey {
    fn from(record: &KeyRecord) -> Self {
        StoppedKey {
            id: record.id.to_string(),
            name: record.settings.name.to_string(),
            last_used: record.last_use.as_ref().map(|last| last.at.into()),
        }
    }
}
