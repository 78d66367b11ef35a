//! `/users/new`: the form for a new user, and `POST /users`, which adds them. Without a password they get a link.

use actix_web::HttpResponse;
use askama::Template;

use super::link::PersonLinkPage;
use crate::auth::SensitiveAct;
use crate::error::{Kind, Result as Outcome};
use crate::http::dashboard::frame::{
    Admin, AdminForm, Field, FieldError, Flash, Nav, PageError, Shell, SignedIn, errors_of, unprocessable,
};
use crate::model::Role;

/// `GET /users/new`, and the response to a `POST /users` that was refused.
#[derive(Template)]
#[template(path = "users/new.html")]
struct NewUserPage {
    shell: Shell,
    email: Field,
    role: Role,
    password: Field,
    /// `Some` if the page asks for the admin's own password again, as `current_password`.
    current_password: Option<Field>,
}

impl NewUserPage {
    fn new(who: &SignedIn, email: &str, role: Role) -> Outcome<Self> {
        Ok(NewUserPage {
            shell: who.shell("Add person", Nav::Users)?,
            email: Field::new(email),
            role,
            password: Field::default(),
            current_password: None,
        })
    }

    fn errors(&self) -> Vec<FieldError<'_>> {
        let asked_again = self.current_password.iter();
        let fields = [("email".to_owned(), &self.email), ("password".to_owned(), &self.password)];
        errors_of(fields.into_iter().chain(asked_again.map(|field| ("current_password".to_owned(), field))))
    }
}

pub async fn page(admin: Admin) -> Result<HttpResponse, PageError> {
    admin.0.ok(&NewUserPage::new(&admin.0, "", Role::Member)?)
}

pub async fn add(form: AdminForm) -> Result<HttpResponse, PageError> {
    let AdminForm { who, fields } = form;
    let role = Role::parse(fields.text("role")).unwrap_or(Role::Member);
    let mut page = NewUserPage::new(&who, fields.text("email"), role)?;
    if let Err(error) = who.confirm(SensitiveAct::AddUser(role), fields.text("current_password")).await {
        page.current_password = Some(Field::wrong(error?));
        return Ok(unprocessable(&page)?);
    }
    let (auth, asking, email) = (&who.site.auth, who.asking(), fields.text("email"));
    let added = match fields.text("password") {
        "" => auth.invite_user(&asking, email, role).await.map(|(user, link)| (user, Some(link))),
        password => auth.add_user(&asking, email, role, Some(password)).await.map(|user| (user, None)),
    };
    match added {
        Ok((user, Some(link))) => who.ok(&PersonLinkPage::new(&who, &user, &link)?),
        Ok((user, None)) => who.redirect(
            "/users",
            &Flash::on_person("Added", user.email.as_str(), "They can sign in now.").about(user.id),
        ),
        Err(error) if matches!(error.kind, Kind::Invalid | Kind::Conflict) => {
            let at = if error.field == Some("email") { &mut page.email } else { &mut page.password };
            at.error = Some(error.message.to_string());
            Ok(unprocessable(&page)?)
        }
        Err(error) => Err(error.into()),
    }
}
