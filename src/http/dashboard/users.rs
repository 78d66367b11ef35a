//! People, for admins: the list, a new one, one, deactivate and activate.

use actix_web::HttpResponse;
use actix_web::web::{Path, Query};

use super::form::AdminForm;
use super::pages::{Field, Nav, NewUserPage, UserPage, UserRow, UsersPage};
use super::signed_in::{Admin, Gate, SignedIn, see_other};
use super::view::{self, ListQuery, field, when};
use crate::error::{Error, Kind};
use crate::model::{Basis, Role, User, UserChange, UserId};

pub async fn list(admin: Admin, query: Query<ListQuery>) -> Result<HttpResponse, Gate> {
    let who = admin.0;
    let users = who.site.auth.users(&who.asking()).await?;
    let row = |user: crate::model::User| UserRow {
        id: user.id.to_string(),
        email: user.email.to_string(),
        role: view::role(user.role),
        damage: view::damage(&user.unreadable),
        is_active: user.active,
        keys: user.keys,
        created: when(user.created_at),
        last_login: user.last_login_at.map(when),
    };
    Ok(view::ok(&UsersPage {
        shell: who.shell_with("Users", Nav::Users, view::notice(query.notice.as_deref()))?,
        users: users.into_iter().map(row).collect(),
        pager: Default::default(),
    })?)
}

fn new_page(who: &SignedIn, email: &str, role: Role) -> Result<NewUserPage, Error> {
    Ok(NewUserPage {
        shell: who.shell("Add a user", Nav::Users)?,
        email: field(email),
        role: view::role(role),
        password: field(""),
        current_password: None,
    })
}

pub async fn new(admin: Admin) -> Result<HttpResponse, Gate> {
    Ok(view::ok(&new_page(&admin.0, "", Role::Member)?)?)
}

pub async fn add(form: AdminForm) -> Result<HttpResponse, Gate> {
    let AdminForm { who, fields } = form;
    let role = Role::parse(fields.text("role")).unwrap_or(Role::Member);
    let mut page = new_page(&who, fields.text("email"), role)?;
    if role == Role::Admin
        && let Err(error) = who.confirm(fields.text("current_password")).await
    {
        page.current_password = Some(Field { value: String::new(), error: Some(error?) });
        return Ok(view::unprocessable(&page)?);
    }
    let added = who.site.auth.add_user(&who.asking(), fields.text("email"), role, Some(fields.text("password"))).await;
    match added {
        Ok(_) => Ok(see_other("/users?notice=user-added")),
        Err(error) if matches!(error.kind, Kind::Invalid | Kind::Conflict) => {
            let at = if error.field == Some("email") { &mut page.email } else { &mut page.password };
            at.error = Some(error.message.to_string());
            Ok(view::unprocessable(&page)?)
        }
        Err(error) => Err(error.into()),
    }
}

pub async fn show(admin: Admin, id: Path<String>, query: Query<ListQuery>) -> Result<HttpResponse, Gate> {
    let who = admin.0;
    let user = who.site.auth.user(&who.asking(), UserId::parse(&id)?).await?;
    let sessions = who.site.auth.sessions_of(&who.asking(), user.id).await?;
    Ok(view::ok(&UserPage {
        shell: who.shell_with(user.email.as_str(), Nav::Users, view::notice(query.notice.as_deref()))?,
        id: user.id.to_string(),
        email: user.email.to_string(),
        role: view::role(user.role),
        damage: view::damage(&user.unreadable),
        is_active: user.active,
        is_me: user.id == who.user().id,
        keys: user.keys,
        sessions: sessions.len() as u64,
        created: when(user.created_at),
        last_login: user.last_login_at.map(when),
    })?)
}

async fn set_active(who: &SignedIn, id: &str, active: bool) -> Result<User, Error> {
    let change = UserChange { role: None, active: Some(active) };
    who.site.auth.change_user(&who.asking(), UserId::parse(id)?, change, None, Basis::Anything).await
}

pub async fn deactivate(form: AdminForm, id: Path<String>) -> Result<HttpResponse, Gate> {
    let user = set_active(&form.who, &id, false).await?;
    Ok(see_other(&format!("/users/{}?notice=user-deactivated", user.id)))
}

pub async fn activate(form: AdminForm, id: Path<String>) -> Result<HttpResponse, Gate> {
    let user = set_active(&form.who, &id, true).await?;
    Ok(see_other(&format!("/users/{}?notice=user-activated", user.id)))
}

pub async fn end_sessions(form: AdminForm, id: Path<String>) -> Result<HttpResponse, Gate> {
    let id = UserId::parse(&id)?;
    let keep = (id == form.who.user().id).then_some(form.who.session.id);
    form.who.site.auth.end_sessions(&form.who.asking(), id, keep).await?;
    Ok(see_other(&format!("/users/{id}?notice=sessions-ended")))
}
