//! `/setup`: the first admin, once, by the link that the server printed.

use actix_web::HttpResponse;
use actix_web::web::Query;
use serde::Deserialize;

use super::form::OpenForm;
use super::login::with_form_cookie;
use super::pages::{Field, SetupPage};
use super::signed_in::{Gate, Landed, see_other};
use super::view::{self, field};
use crate::error::Kind;
use crate::http::problem::Problem;

#[derive(Debug, Deserialize)]
pub struct SetupQuery {
    #[serde(default)]
    token: String,
}

pub async fn show(landed: Landed, query: Query<SetupQuery>) -> Result<HttpResponse, Gate> {
    let token = query.into_inner().token;
    if !landed.site.auth.is_setup_open(&token).await? {
        return Err(closed().into());
    }
    with_form_cookie(&landed, view::ok(&page(&landed, token, field(""))?)?)
}

pub async fn set_up(form: OpenForm) -> Result<HttpResponse, Gate> {
    let OpenForm { landed, fields } = form;
    let (token, email, password) = (fields.text("token"), fields.text("email"), fields.text("password"));
    let error = match landed.site.auth.set_up(token, email, password, landed.origin()).await {
        Ok(_) => return Ok(see_other("/login?notice=setup-done")),
        Err(error) if error.kind == Kind::Invalid => error,
        // Used up, by this visitor or by somebody faster.
        Err(error) if matches!(error.kind, Kind::Forbidden | Kind::Conflict) => return Err(closed().into()),
        Err(error) => return Err(error.into()),
    };
    let mut page = page(&landed, token.to_owned(), field(email))?;
    let at = if error.field == Some("email") { &mut page.email } else { &mut page.password };
    at.error = Some(error.message.to_string());
    with_form_cookie(&landed, view::unprocessable(&page)?)
}

fn page(landed: &Landed, token: String, email: Field) -> Result<SetupPage, Gate> {
    // Without the token: an address that is shown may be read over a shoulder.
    let secure_url = landed.secure_url("/setup");
    Ok(SetupPage { shell: landed.shell("Set up")?, secure_url, token, email, password: field("") })
}

fn closed() -> Problem {
    Problem::new(
        actix_web::http::StatusCode::FORBIDDEN,
        "setup_closed",
        "This setup link is no longer valid. If there is an admin already, log in. If not, restart the server: it prints a new link.",
    )
}
