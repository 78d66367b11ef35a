//! `POST /users/{id}/hand-over`: gives all keys of a person to another one.

use actix_web::HttpResponse;
use actix_web::web::Path;

use super::show::UserDetailsPage;
use crate::error::{Error, Kind};
use crate::http::dashboard::frame::{AdminForm, Field, Flash, PageError, unprocessable};
use crate::model::{UserId, counted};

pub async fn hand_over(form: AdminForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let AdminForm { who, fields } = form;
    let (auth, asking) = (&who.site.auth, who.asking());
    let user = auth.user(&asking, UserId::parse(&id)?).await?;
    let to = fields.text("to").trim();
    let wanted = match to {
        "" => Err(Error::invalid("to", "Enter the email of the person who gets the keys.")),
        _ => auth.owner(&asking.caller, to).await,
    };
    let done = match wanted {
        Ok(new_owner) => auth.hand_over_keys(&asking, user.id, new_owner).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(keys) => {
            let effect = format!("{} now with {to}, and nothing stopped working.", are(keys));
            let outcome = Flash::on_person("Handed over the keys of", user.email.as_str(), &effect).about(user.id);
            who.redirect(&format!("/users/{}", user.id), &outcome)
        }
        Err(error) if matches!(error.kind, Kind::Invalid | Kind::Conflict) => {
            let mut page = UserDetailsPage::new(&who, user).await?;
            page.hand_over_to = Field { error: Some(error.message.to_string()), ..Field::new(to) };
            Ok(unprocessable(&page)?)
        }
        Err(error) => Err(error.into()),
    }
}

fn are(keys: usize) -> String {
    format!("{} {}", counted(keys as u64, "key"), if keys == 1 { "is" } else { "are" })
}
