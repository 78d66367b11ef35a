//! The signed-in user's own password and sessions.

use actix_web::HttpResponse;
use actix_web::web::{Path, Query};

use super::cookies::Jar;
use super::form::SignedForm;
use super::login::add_cookie;
use super::pages::{AccountPage, Nav, PasswordForm, SessionRow};
use super::signed_in::{Gate, SignedIn, see_other};
use super::view::{self, ListQuery, when};
use crate::error::{Kind, Result as Outcome};
use crate::model::SessionId;

pub async fn show(who: SignedIn, query: Query<ListQuery>) -> Result<HttpResponse, Gate> {
    Ok(view::ok(&page(&who, query.notice.as_deref()).await?)?)
}

async fn page(who: &SignedIn, notice: Option<&str>) -> Outcome<AccountPage> {
    let sessions = who.site.auth.sessions_of(&who.asking(), who.user().id).await?;
    let row = |session: crate::model::Session| SessionRow {
        is_this_one: session.id == who.session.id,
        id: session.id.to_string(),
        started: when(session.created_at),
        last_seen: when(session.last_seen_at),
        address: session.address.map(|address| address.to_string()).unwrap_or_default(),
        user_agent: session.user_agent,
    };
    Ok(AccountPage {
        shell: who.shell_with("Account", Nav::Account, view::notice(notice))?,
        email: who.user().email.to_string(),
        role: view::role(who.user().role),
        password: PasswordForm::default(),
        sessions: sessions.into_iter().map(row).collect(),
    })
}

pub async fn change_password(form: SignedForm) -> Result<HttpResponse, Gate> {
    let SignedForm { who, fields, .. } = form;
    let (current, new) = (fields.text("current_password"), fields.text("new_password"));
    let changed = who.site.auth.change_password(&who.asking(), who.user(), current, new, who.device.as_ref()).await;
    match changed {
        Ok(()) => {
            let mut response = see_other("/login?notice=password-changed");
            add_cookie(&mut response, &Jar::Session.remove(&who.site))?;
            Ok(response)
        }
        Err(error) if matches!(error.kind, Kind::Invalid | Kind::Throttled) => {
            let mut page = page(&who, None).await?;
            let at = match error.field {
                Some("new_password") => &mut page.password.new_password,
                _ => &mut page.password.current_password,
            };
            at.error = Some(error.message.to_string());
            Ok(view::unprocessable(&page)?)
        }
        Err(error) => Err(error.into()),
    }
}

pub async fn end_session(form: SignedForm, id: Path<String>) -> Result<HttpResponse, Gate> {
    let who = form.who;
    who.site.auth.end_session(&who.asking(), who.user().id, SessionId::parse(&id)?).await?;
    Ok(see_other("/account?notice=sessions-ended"))
}

pub async fn end_others(form: SignedForm) -> Result<HttpResponse, Gate> {
    let who = form.who;
    who.site.auth.end_sessions(&who.asking(), who.user().id, Some(who.session.id)).await?;
    Ok(see_other("/account?notice=sessions-ended"))
}
