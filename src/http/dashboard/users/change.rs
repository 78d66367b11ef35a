//! What an admin changes about another person, on the person's page: role, whether they are active, their sessions,
//! and whether they stay.

use actix_web::HttpResponse;
use actix_web::web::Path;

use crate::auth::SensitiveAct;
use crate::error::Result as Outcome;
use crate::http::dashboard::frame::{ActToConfirm, AdminForm, Flash, Nav, PageError, SignedIn};
use crate::model::{Basis, Role, User, UserChange, UserId, counted};

async fn change(who: &SignedIn, id: UserId, change: UserChange) -> Outcome<User> {
    who.site.auth.change_user(&who.asking(), id, change, None, Basis::Anything).await
}

async fn set_active(who: &SignedIn, id: &str, active: bool) -> Outcome<User> {
    change(who, UserId::parse(id)?, UserChange { role: None, active: Some(active) }).await
}

pub async fn deactivate(form: AdminForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let user = set_active(&form.who, &id, false).await?;
    let effect = "All their keys and sessions are refused from now on.";
    let outcome = Flash::on_person("Deactivated", user.email.as_str(), effect).about(user.id);
    form.who.redirect(&format!("/users/{}", user.id), &outcome)
}

pub async fn activate(form: AdminForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let user = set_active(&form.who, &id, true).await?;
    let effect = "They can sign in, and their keys work again.";
    let outcome = Flash::on_person("Activated", user.email.as_str(), effect).about(user.id);
    form.who.redirect(&format!("/users/{}", user.id), &outcome)
}

pub async fn set_role(form: AdminForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let AdminForm { who, fields } = form;
    let (id, role) = (UserId::parse(&id)?, Role::parse(fields.text("role"))?);
    let (action, back) = (format!("/users/{id}/role"), format!("/users/{id}"));
    let deed =
        ActToConfirm { action: &action, title: "Change the role", back: &back, here: Nav::Users, kept: &["role"] };
    if let Some(question) = who.must_confirm(SensitiveAct::ManagePerson, &fields, &deed).await? {
        return Ok(question);
    }
    let user = change(&who, id, UserChange { role: Some(role), active: None }).await?;
    let effect = match role {
        Role::Admin => "They can manage people and everyone’s keys.",
        Role::Member => "They see and manage only their own keys.",
    };
    who.redirect(&back, &Flash::on_person("Changed the role of", user.email.as_str(), effect).about(user.id))
}

/// Revokes the person's keys and removes them.
pub async fn remove(form: AdminForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let AdminForm { who, fields } = form;
    let user = who.site.auth.user(&who.asking(), UserId::parse(&id)?).await?;
    let (action, back) = (format!("/users/{}/remove", user.id), format!("/users/{}", user.id));
    let deed = ActToConfirm { action: &action, title: "Remove this person", back: &back, here: Nav::Users, kept: &[] };
    if let Some(question) = who.must_confirm(SensitiveAct::ManagePerson, &fields, &deed).await? {
        return Ok(question);
    }
    let keys = who.site.auth.remove_user(&who.asking(), user.id, Basis::Anything).await?;
    let effect = if keys == 0 { "They had no keys.".to_owned() } else { format!("{} revoked.", counted(keys, "key")) };
    who.redirect("/users", &Flash::on_person("Removed", user.email.as_str(), &effect).about(user.id))
}

pub async fn end_sessions(form: AdminForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let id = UserId::parse(&id)?;
    let (who, auth) = (&form.who, &form.who.site.auth);
    let email = auth.user(&who.asking(), id).await?.email;
    let keep = (id == who.user().id).then_some(who.session.id);
    auth.end_sessions(&who.asking(), id, keep).await?;
    let outcome = Flash::on_person("Signed out", email.as_str(), "The tokens of their programs have ended.").about(id);
    who.redirect(&format!("/users/{id}"), &outcome)
}
