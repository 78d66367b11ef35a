//! `GET`, `POST /find`: the answers to what a person looks for.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use zeroize::Zeroizing;

use super::destinations::{NamedPlace, matching};
use crate::auth::{FoundDigests, KeyTraces};
use crate::error::Error;
use crate::http::dashboard::frame::{Flash, Nav, PageError, Shell, SignedForm, SignedIn, When, see_other};
use crate::http::dashboard::keys::found::FoundKey;
use crate::model::leak::may_be_secret;
use crate::model::{Digest, KeyFilter, KeyId, KeyRecord, UserFilter, UserId};

/// Maximum answers of a kind; the list of that kind has all.
const KEYS: usize = 10;
const PEOPLE: usize = 5;
/// Longest text that names are searched for, in characters.
const MAX_SEARCH: usize = 200;
/// Keys that are shown if a text contains many.
const MAX_SHOWN: usize = 50;

#[derive(Template)]
#[template(path = "find/show.html")]
struct FindPage {
    shell: Shell,
    is_admin: bool,
    /// What was looked for; `None` if that may be a secret, or nothing was.
    sought: Option<String>,
    /// Whether the text was in the address of a page.
    was_in_url: bool,
    /// Whether the text looks like a key in which a character is wrong.
    resembles_key: bool,
    keys: Vec<FoundKey>,
    /// Keys of the text that the person cannot see.
    hidden: usize,
    /// When other keys of the text were revoked.
    revoked: Vec<When>,
    /// Keys of the text that are not stored here.
    unknown: usize,
    people: Vec<FoundPerson>,
    /// The query of the list of keys and of the audit log; `None` if neither can be searched for the text.
    list_query: Option<String>,
    destinations: Vec<&'static NamedPlace>,
}

struct FoundPerson {
    id: String,
    email: String,
}

/// Without a text; or after a page whose address contained a key.
pub async fn page(who: SignedIn, request: HttpRequest) -> Result<HttpResponse, PageError> {
    let mut page = FindPage::new(&who)?;
    let Some(found) = who.found_in_url(&request) else { return who.ok(&page) };
    let mut traces = found.traces();
    for id in found.ids() {
        match who.site.auth.key(&who.asking().caller, id).await {
            Ok(record) => traces.seen.push(record),
            Err(error) => unless_missing(error)?,
        }
    }
    page.was_in_url = true;
    page.add_traces(&who, &traces);
    who.shown_found(&page)
}

pub async fn find(form: SignedForm) -> Result<HttpResponse, PageError> {
    let who = &form.who;
    let text = form.fields.text("q").trim();
    let found = digests(who, text).await?;
    let traces = who.site.auth.trace_keys(&who.asking().caller, found).await?;
    if let Some(record) = traces.only_seen() {
        let outcome = Flash::on_key("Found by the key itself:", record.settings.name.as_str(), "");
        return who.redirect(&format!("/keys/{}", record.id), &outcome);
    }
    let mut page = FindPage::new(who)?;
    if !traces.is_empty() {
        page.add_traces(who, &traces);
        return who.ok(&page);
    }
    let text: String = text.chars().take(MAX_SEARCH).collect();
    if text.is_empty() {
        return who.ok(&page);
    }
    if let Some(url) = by_id(who, &text).await? {
        return Ok(see_other(&url));
    }
    // A hint is also typed with three dots.
    let hint = text.replace("...", "…");
    let list = KeyFilter { search: Some(hint.clone()), limit: KEYS, ..KeyFilter::default() };
    let keys = who.site.auth.keys(&who.asking().caller, list).await?.rows;
    if let [record] = &keys[..]
        && record.hint == hint
    {
        return Ok(see_other(&format!("/keys/{}", record.id)));
    }
    page.add_matches(who, &text, &keys).await?;
    who.ok(&page)
}

/// The keys in the text. The whole text may also be an imported key that was revoked, which only the database knows.
async fn digests(who: &SignedIn, text: &str) -> Result<FoundDigests, PageError> {
    if text.is_empty() {
        return Ok(FoundDigests::default());
    }
    let (site, text) = (who.site.clone(), Zeroizing::new(text.to_owned()));
    let search = move || {
        let mut found = site.auth.digests_in(text.as_bytes());
        let whole = Digest::of(text.as_bytes());
        if found.is_empty() {
            found.words.push(whole);
        }
        found
    };
    Ok(web::block(search).await.map_err(Error::internal)?)
}

/// The page of the key or the person with this id.
async fn by_id(who: &SignedIn, text: &str) -> Result<Option<String>, PageError> {
    let auth = &who.site.auth;
    if let Ok(id) = KeyId::parse(text) {
        match auth.key(&who.asking().caller, id).await {
            Ok(_) => return Ok(Some(format!("/keys/{id}"))),
            Err(error) => unless_missing(error)?,
        }
    }
    if let (Ok(id), true) = (UserId::parse(text), who.user().is_admin()) {
        match auth.user(&who.asking(), id).await {
            Ok(_) => return Ok(Some(format!("/users/{id}"))),
            Err(error) => unless_missing(error)?,
        }
    }
    Ok(None)
}

fn unless_missing(error: Error) -> Result<(), Error> {
    if error.kind == crate::error::Kind::NotFound { Ok(()) } else { Err(error) }
}

impl FindPage {
    fn new(who: &SignedIn) -> Result<Self, PageError> {
        Ok(FindPage {
            shell: who.shell("Find", Nav::None)?,
            is_admin: who.user().is_admin(),
            sought: None,
            was_in_url: false,
            resembles_key: false,
            keys: Vec::new(),
            hidden: 0,
            revoked: Vec::new(),
            unknown: 0,
            people: Vec::new(),
            list_query: None,
            destinations: Vec::new(),
        })
    }

    fn add_traces(&mut self, who: &SignedIn, traces: &KeyTraces) {
        self.add_keys(who, &traces.seen);
        self.hidden = traces.hidden;
        self.revoked = traces.revoked.iter().take(MAX_SHOWN).map(|at| When::from(*at)).collect();
        self.unknown = traces.unknown;
    }

    fn add_keys(&mut self, who: &SignedIn, records: &[KeyRecord]) {
        let now = who.site.auth.now();
        self.keys = records.iter().take(MAX_SHOWN).map(|record| FoundKey::of(record, now)).collect();
    }

    async fn add_matches(&mut self, who: &SignedIn, text: &str, keys: &[KeyRecord]) -> Result<(), PageError> {
        self.add_keys(who, keys);
        self.destinations = matching(text, self.is_admin);
        self.resembles_key = may_be_secret(text);
        if self.is_admin {
            let filter = UserFilter {
                search: Some(text.to_owned()),
                role: None,
                active: None,
                counts_all_keys: false,
                at: None,
                limit: PEOPLE,
            };
            let people = who.site.auth.users_page(&who.asking(), filter).await?.rows;
            self.people = people
                .into_iter()
                .map(|user| FoundPerson { id: user.id.to_string(), email: user.email.to_string() })
                .collect();
        }
        if !self.resembles_key {
            self.sought = Some(text.to_owned());
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("q", text).finish();
            self.list_query = self.is_admin.then_some(query);
        }
        Ok(())
    }

    fn has_key(&self) -> bool {
        self.hidden > 0 || !self.revoked.is_empty() || self.unknown > 0
    }

    fn is_empty(&self) -> bool {
        let has_match = !self.keys.is_empty() || !self.people.is_empty() || !self.destinations.is_empty();
        !has_match && !self.has_key() && !self.was_in_url
    }
}
