//! A one-time link for a person, shown once to the admin who made it: `POST /users/{id}/link`.

use actix_web::HttpResponse;
use actix_web::web::Path;
use askama::Template;

use crate::auth::SensitiveAct;
use crate::auth::users::NewLink;
use crate::error::Result as Outcome;
use crate::http::dashboard::frame::{ActToConfirm, AdminForm, Nav, PageError, Shell, SignedIn, When};
use crate::model::person_link::LinkPurpose;
use crate::model::{User, UserId};

#[derive(Template)]
#[template(path = "users/link.html")]
pub struct PersonLinkPage {
    shell: Shell,
    id: String,
    email: String,
    is_invitation: bool,
    url: String,
    expires: When,
}

impl PersonLinkPage {
    pub fn new(who: &SignedIn, user: &User, link: &NewLink) -> Outcome<Self> {
        let is_invitation = link.purpose == LinkPurpose::Invitation;
        Ok(PersonLinkPage {
            shell: who.shell(if is_invitation { "Invitation" } else { "New-password link" }, Nav::Users)?,
            id: user.id.to_string(),
            email: user.email.to_string(),
            is_invitation,
            url: format!("{}{}", who.site.settings.public_url.as_str(), link.path()),
            expires: link.expires_at.into(),
        })
    }
}

/// The link replaces the one that the person may have.
pub async fn make_link(form: AdminForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let AdminForm { who, fields } = form;
    let user = who.site.auth.user(&who.asking(), UserId::parse(&id)?).await?;
    let (action, back) = (format!("/users/{}/link", user.id), format!("/users/{}", user.id));
    let deed = ActToConfirm { action: &action, title: "Make the link", back: &back, here: Nav::Users, kept: &[] };
    if let Some(question) = who.must_confirm(SensitiveAct::ManagePerson, &fields, &deed).await? {
        return Ok(question);
    }
    let link = who.site.auth.link_for_user(&who.asking(), user.id).await?;
    who.ok(&PersonLinkPage::new(&who, &user, &link)?)
}
