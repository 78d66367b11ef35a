//! `/keys/{id}`: one key, with the forms to rotate, disable, enable and revoke it.

use actix_web::HttpResponse;
use actix_web::web::{Path, Query};
use askama::Template;
use serde::Deserialize;

use super::banner::KeyBanner;
use super::expiry::{EXPIRIES, OVERLAPS, SILENCES};
use super::in_words::{rate, span};
use super::origin::ListOrigin;
use super::other_key::OtherKey;
use super::row::{OwnerLink, scopes};
use super::usage::{KeyUseView, UsageQuery};
use crate::error::Result as Outcome;
use crate::http::dashboard::events::{EventRow, history};
use crate::http::dashboard::frame::{Field, FieldError, Nav, PageError, Shell, SignedIn, When, errors_of};
use crate::model::rotation::may_rotate;
use crate::model::{KeyId, KeyRecord, KeyState};

/// `GET /keys/{id}`, and the response to a form on this page that was refused.
#[derive(Template)]
#[template(path = "keys/show.html")]
pub struct KeyDetailsPage {
    shell: Shell,
    record: KeyRecord,
    /// `Some` for admins.
    owner: Option<OwnerLink>,
    state: KeyState,
    /// The list from which the reader came.
    pub list: ListOrigin,
    /// What needs attention most.
    banner: Option<KeyBanner>,
    scopes: Vec<String>,
    created: When,
    expires: Option<When>,
    last_use: Option<LastUseDetails>,
    usage: KeyUseView,
    /// Empty if any address is allowed.
    allowed_ips: Vec<String>,
    /// The limit in words; `None` if there is none.
    rate_limit: Option<String>,
    /// Whether it is one of the signed-in user's own keys.
    is_own: bool,
    /// Whether to show the Rotate form. Only the owner can rotate a key here, because the page shows the new one.
    can_rotate: bool,
    /// The key that replaces this one.
    successor: Option<OtherKey>,
    /// The key that this one replaces, until it ends.
    predecessor: Option<OtherKey>,
    /// The chosen value of `OVERLAPS`.
    pub overlap: String,
    /// Empty or the chosen value of `SILENCES`.
    pub silence: String,
    /// When the replacement expires: empty or the chosen value of `EXPIRIES`.
    pub new_expiry: String,
    /// The lifetime that the key was created with, such as `90 days`; `None` if unlimited.
    lifetime: Option<String>,
    /// `Some` if the Rotate form asks for the password again, as `current_password`.
    pub rotate_password: Option<Field>,
    /// The newest events of the key; empty below a refused form.
    history: Vec<EventRow>,
    /// All of them; `Some` for admins.
    history_url: Option<String>,
}

/// When and from where a key was last used.
struct LastUseDetails {
    at: When,
    address: Option<String>,
    user_agent: Option<String>,
}

/// The query of the page.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct KeyPageQuery {
    /// The list from which the reader came.
    from: String,
    #[serde(flatten)]
    usage: UsageQuery,
}

pub async fn page(who: SignedIn, id: Path<String>, query: Query<KeyPageQuery>) -> Result<HttpResponse, PageError> {
    let record = find(&who, &id).await?;
    let events = who.site.auth.key_history(&who.asking().caller, record.id).await?;
    let history = history(events, &record.id.to_string());
    let list = ListOrigin::of(&query.from);
    let list = if list.is_of_all_keys() && !who.user().is_admin() { ListOrigin::default() } else { list };
    who.ok(&KeyDetailsPage { history, list, ..KeyDetailsPage::with(&who, record, &query.usage).await? })
}

pub async fn find(who: &SignedIn, id: &str) -> Outcome<KeyRecord> {
    who.site.auth.key(&who.asking().caller, KeyId::parse(id)?).await
}

impl KeyDetailsPage {
    pub async fn new(who: &SignedIn, record: KeyRecord) -> Outcome<Self> {
        Self::with(who, record, &UsageQuery::default()).await
    }

    async fn with(who: &SignedIn, record: KeyRecord, query: &UsageQuery) -> Outcome<Self> {
        let now = who.site.auth.now();
        let is_own = record.owner.id == who.user().id;
        let successor = OtherKey::find(who, record.rotated_to).await?;
        let predecessor = OtherKey::find(who, record.rotated_from).await?;
        let usage = KeyUseView::load(who, &record, query).await?;
        Ok(KeyDetailsPage {
            shell: who.shell(record.settings.name.as_str(), if is_own { Nav::Keys } else { Nav::AdminKeys })?,
            owner: who.user().is_admin().then(|| OwnerLink::of(&record)),
            state: record.state(now),
            list: ListOrigin::default(),
            banner: KeyBanner::of(&record, successor.is_some(), predecessor.as_ref(), now),
            scopes: scopes(&record),
            created: record.created_at.into(),
            expires: record.settings.expires_at.map(When::from),
            last_use: record.last_use.as_ref().map(|last| LastUseDetails {
                at: last.at.into(),
                address: last.address.clone(),
                user_agent: last.user_agent.clone(),
            }),
            usage,
            allowed_ips: record.settings.allowed_ips.iter().map(ToString::to_string).collect(),
            rate_limit: record.settings.rate_limit.map(rate),
            is_own,
            can_rotate: is_own && may_rotate(&record).is_ok(),
            successor,
            predecessor,
            overlap: "24h".to_owned(),
            silence: String::new(),
            new_expiry: String::new(),
            lifetime: record.lifetime.map(span),
            rotate_password: None,
            history: Vec::new(),
            history_url: who.user().is_admin().then(|| format!("/events?object={}", record.id)),
            record,
        })
    }

    /// The list that the way back leads to.
    fn list_url(&self) -> &str {
        self.list.url_or(if self.shell.here == Nav::AdminKeys { "/admin/keys" } else { "/keys" })
    }

    fn list_name(&self) -> &'static str {
        if self.list_url().starts_with("/admin/") { "All keys" } else { "My keys" }
    }

    /// Whether the banner has the button that enables the key.
    fn offers_enabling(&self) -> bool {
        matches!(self.banner, Some(KeyBanner::Disabled))
    }

    fn errors(&self) -> Vec<FieldError<'_>> {
        let asked_again = self.rotate_password.iter().map(|field| ("current_password".to_owned(), field));
        errors_of(asked_again)
    }
}
