//! `POST /api/v1/keys`: creates a key.

use actix_web::HttpResponse;

use super::json::{KeyJson, NewKeyBody};
use super::made::{MadeKeyJson, repeatable, respond};
use crate::http::api::idempotency::Repeatable;
use crate::http::api::manager::KeysManager;
use crate::http::problem::Problem;
use crate::http::schema::Operation;

pub fn operation() -> Operation {
    repeatable(Operation::new("Keys", "createKey", "Create a key"))
        .described_as(
            "Only this response contains the key itself. It expires after 90 days unless the body says otherwise.",
        )
        .takes::<NewKeyBody>()
        .answers::<MadeKeyJson>(201, "The record, and the key.", &["Location", "ETag"])
        .answers::<KeyJson>(200, "The record of the key that this request created earlier.", &["ETag"])
        .leads_to(201, &super::LEADS)
}

/// Creates a key. Only this response contains the key itself; a repeated request gets only the record.
pub async fn create(manager: KeysManager, request: Repeatable<NewKeyBody>) -> Result<HttpResponse, Problem> {
    let (auth, asking) = (&manager.site.auth, manager.asking().await?);
    let submission = request.submission(manager.id());
    let own = asking.caller.owner().map(|owner| owner.id.to_string()).unwrap_or_default();
    let owner = auth.owner(&asking.caller, request.body.owner.as_deref().unwrap_or(&own)).await?;
    let asked = request.body.request(owner, submission, auth.now())?;
    let made = auth.create_key(&asking, asked).await.map_err(|error| request.body.expiry().name(error))?;
    respond(&manager.site, &asking, made).await
}
