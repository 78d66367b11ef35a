//! `POST /api/v1/keys/{id}/rotate`: replaces a key with a new one.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde::Deserialize;
use utoipa::ToSchema;

use super::json::KeyJson;
use super::made::{MadeKeyJson, repeatable, respond};
use super::new_expiry::NewExpiry;
use crate::auth::Rotation;
use crate::error::{Error, Result as Outcome};
use crate::http::api::based_on::BasedOn;
use crate::http::api::idempotency::{Repeatable, RepeatableBody};
use crate::http::api::manager::KeysManager;
use crate::http::problem::Problem;
use crate::http::schema::{Operation, field};
use crate::model::{Handover, KeyId, Overlap, Silence};

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rotation)]
pub struct RotateBody {
    /// How long the old key keeps working, such as `24h`; max 90 days. Default: it is revoked at once.
    #[schema(value_type = Option<field::Overlap>, required = false)]
    overlap: Option<String>,
    /// Ends the old key before that, once it has not been used for this long, such as `24h`; 1 hour to 90 days. Needs an
    /// `overlap`. Checked every ten minutes.
    #[schema(value_type = Option<field::Span>, required = false)]
    end_if_unused_for: Option<String>,
    /// The expiry of the new key. Send one of `expires_at`, `expires_in` and `expires`. Default: the lifetime that the
    /// old key was created with.
    #[schema(value_type = Option<field::Moment>, required = false)]
    expires_at: Option<String>,
    /// A duration such as `90d`, `12h`, `15m` or `30s`.
    #[schema(value_type = Option<field::Span>, required = false)]
    expires_in: Option<String>,
    /// A time, a duration or `never`.
    #[schema(value_type = Option<field::Expiry>, required = false)]
    expires: Option<String>,
}

impl RepeatableBody for RotateBody {
    fn if_empty() -> Option<Self> {
        Some(RotateBody::default())
    }
}

impl RotateBody {
    fn overlap(&self) -> Outcome<Overlap> {
        self.overlap.as_deref().map_or(Ok(Overlap::default()), Overlap::parse)
    }

    fn silence(&self) -> Outcome<Option<Silence>> {
        let silence = self.end_if_unused_for.as_deref().map(Silence::parse).transpose()?;
        if silence.is_some() && self.overlap()?.is_none() {
            let message = "Send an overlap too: without one, the old key is revoked at once.";
            return Err(Error::invalid("end_if_unused_for", message));
        }
        Ok(silence)
    }

    fn expiry(&self) -> NewExpiry<'_> {
        let (expires_at, expires_in) = (self.expires_at.as_deref(), self.expires_in.as_deref());
        NewExpiry { expires_at, expires_in, expires: self.expires.as_deref() }
    }
}

pub fn operation() -> Operation {
    repeatable(Operation::new("Keys", "rotateKey", "Replace a key with a new one"))
        .described_as(
            "The new key has the same settings, including the lifetime. The old key is revoked at once, or keeps \
             working for the `overlap`.",
        )
        .if_match()
        .may_take::<RotateBody>()
        .refuses(&[404])
        .answers::<MadeKeyJson>(201, "The new record, and the new key.", &["Location", "ETag"])
        .answers::<KeyJson>(200, "The record of the key that this request created earlier.", &["ETag"])
        .leads_to(201, &super::LEADS)
}

/// Rotates a key. Only this response contains the new key itself; a repeated request gets only the record.
pub async fn rotate(
    manager: KeysManager,
    id: Path<String>,
    based_on: BasedOn,
    request: Repeatable<RotateBody>,
) -> Result<HttpResponse, Problem> {
    let asking = manager.asking().await?;
    let submission = request.submission(manager.id());
    let (auth, body) = (&manager.site.auth, &request.body);
    let rotation = Rotation {
        key: KeyId::parse(&id)?,
        overlap: body.overlap()?,
        silence: body.silence()?,
        handover: Handover::AtOnce,
        expiry: body.expiry().parse(auth.now())?,
        seen: based_on.0,
        submission,
    };
    let made = auth.rotate_key(&asking, rotation).await.map_err(|error| body.expiry().name(error))?;
    respond(&manager.site, &asking, made).await
}
