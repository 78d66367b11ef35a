//! `/users/{id}`: one user, with the forms to end their sessions, deactivate and activate them.

use actix_web::HttpResponse;
use actix_web::web::Path;
use askama::Template;

use crate::error::Result as Outcome;
use crate::http::dashboard::frame::{
    Admin, AdminForm, Flash, Nav, PageError, Shell, SignedIn, When, unreadable_fields,
};
use crate::model::{Basis, Role, User, UserChange, UserId};

#[derive(Template)]
#[template(path = "users/show.html")]
struct UserDetailsPage {
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
    sessions: u64,
    created: When,
    last_login: Option<When>,
}

pub async fn page(admin: Admin, id: Path<String>) -> Result<HttpResponse, PageError> {
    let who = admin.0;
    let user = who.site.auth.user(&who.asking(), UserId::parse(&id)?).await?;
    let sessions = who.site.auth.sessions_of(&who.asking(), user.id).await?;
    who.ok(&UserDetailsPage {
        shell: who.shell(user.email.as_str(), Nav::Users)?,
        id: user.id.to_string(),
        email: user.email.to_string(),
        role: user.role,
        damage: unreadable_fields(&user.unreadable),
        is_active: user.active,
        is_me: user.id == who.user().id,
        keys: user.keys,
        sessions: sessions.len() as u64,
        created: user.created_at.into(),
        last_login: user.last_login_at.map(When::from),
    })
}

async fn set_active(who: &SignedIn, id: &str, active: bool) -> Outcome<User> {
    let change = UserChange { role: None, active: Some(active) };
    who.site.auth.change_user(&who.asking(), UserId::parse(id)?, change, None, Basis::Anything).await
}

pub async fn deactivate(form: AdminForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let user = set_active(&form.who, &id, false).await?;
    let effect = "All their keys and sessions are refused from now on.";
    let outcome = Flash::on_person("Deactivated", user.email.as_str(), effect);
    form.who.redirect(&format!("/users/{}", user.id), &outcome)
}

pub async fn activate(form: AdminForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let user = set_active(&form.who, &id, true).await?;
    let effect = "They can sign in, and their keys work again.";
    let outcome = Flash::on_person("Activated", user.email.as_str(), effect);
    form.who.redirect(&format!("/users/{}", user.id), &outcome)
}

pub async fn end_sessions(form: AdminForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let id = UserId::parse(&id)?;
    let (who, auth) = (&form.who, &form.who.site.auth);
    let email = auth.user(&who.asking(), id).await?.email;
    let keep = (id == who.user().id).then_some(who.session.id);
    auth.end_sessions(&who.asking(), id, keep).await?;
    let outcome = Flash::on_person("Signed out", email.as_str(), "The tokens of their programs have ended.");
    who.redirect(&format!("/users/{id}"), &outcome)
}
