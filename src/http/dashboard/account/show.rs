//! `/account`: the signed-in user's password and sessions.

use actix_web::HttpResponse;
use actix_web::web::Path;
use askama::Template;

use super::device::device;
use crate::error::{Kind, Result as Outcome};
use crate::http::dashboard::frame::{
    Field, FieldError, Flash, Nav, PageError, Shell, SignedForm, SignedIn, When, errors_of, unprocessable,
};
use crate::model::{Role, Session, SessionId};

/// `GET /account`, and the response to a `POST /account/password` that was refused.
#[derive(Template)]
#[template(path = "account/show.html")]
struct AccountPage {
    shell: Shell,
    email: String,
    role: Role,
    current_password: Field,
    new_password: Field,
    sessions: Vec<SessionListItem>,
}

/// A session that has not ended.
struct SessionListItem {
    /// Names the session in URLs; never the cookie's value or its digest.
    id: String,
    started: When,
    last_seen: When,
    address: String,
    user_agent: String,
    device: String,
    /// The session of the person who is looking at this page.
    is_this_one: bool,
}

impl SessionListItem {
    fn new(session: Session, own: SessionId) -> Self {
        SessionListItem {
            is_this_one: session.id == own,
            id: session.id.to_string(),
            started: session.created_at.into(),
            last_seen: session.last_seen_at.into(),
            address: session.address.map(|address| address.to_string()).unwrap_or_default(),
            device: device(&session.user_agent),
            user_agent: session.user_agent,
        }
    }
}

impl AccountPage {
    async fn new(who: &SignedIn) -> Outcome<Self> {
        let sessions = who.site.auth.sessions_of(&who.asking(), who.user().id).await?;
        Ok(AccountPage {
            shell: who.shell("Account", Nav::Account)?,
            email: who.user().email.to_string(),
            role: who.user().role,
            current_password: Field::default(),
            new_password: Field::default(),
            sessions: sessions.into_iter().map(|session| SessionListItem::new(session, who.session.id)).collect(),
        })
    }

    fn errors(&self) -> Vec<FieldError<'_>> {
        errors_of([
            ("current_password".to_owned(), &self.current_password),
            ("new_password".to_owned(), &self.new_password),
        ])
    }

    fn has_other_sessions(&self) -> bool {
        self.sessions.iter().any(|session| !session.is_this_one)
    }
}

pub async fn page(who: SignedIn) -> Result<HttpResponse, PageError> {
    who.ok(&AccountPage::new(&who).await?)
}

pub async fn change_password(form: SignedForm) -> Result<HttpResponse, PageError> {
    let SignedForm { who, fields, .. } = form;
    let (current, new) = (fields.text("current_password"), fields.text("new_password"));
    let changed = who.site.auth.change_password(&who.asking(), who.user(), current, new, who.device.as_ref()).await;
    match changed {
        Ok(()) => {
            who.leave(&Flash::plain("Password changed. You were signed out everywhere: sign in with the new password."))
        }
        Err(error) if matches!(error.kind, Kind::Invalid | Kind::Throttled) => {
            let mut page = AccountPage::new(&who).await?;
            let at = match error.field {
                Some("new_password") => &mut page.new_password,
                _ => &mut page.current_password,
            };
            at.error = Some(error.message.to_string());
            Ok(unprocessable(&page)?)
        }
        Err(error) => Err(error.into()),
    }
}

pub async fn end_session(form: SignedForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let who = form.who;
    who.site.auth.end_session(&who.asking(), who.user().id, SessionId::parse(&id)?).await?;
    who.redirect("/account", &Flash::plain("Signed out the other session."))
}

pub async fn end_others(form: SignedForm) -> Result<HttpResponse, PageError> {
    let who = form.who;
    who.site.auth.end_sessions(&who.asking(), who.user().id, Some(who.session.id)).await?;
    who.redirect("/account", &Flash::plain("Signed out all other sessions."))
}
