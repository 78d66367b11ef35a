//! `POST /api/v1/keys/{id}/rotate`.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde::Deserialize;
use utoipa::ToSchema;

use super::based_on::BasedOn;
use super::idempotency::{Repeatable, RepeatableBody};
use super::key_body::End;
use super::manage::shown;
use super::manager::KeysManager;
use crate::auth::Rotation;
use crate::error::Result as Outcome;
use crate::http::openapi::field;
use crate::http::problem::Problem;
use crate::model::{Handover, KeyId, Overlap};

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rotation)]
pub struct RotateBody {
    /// How long the old key keeps working, such as `24h`; max 90 days. Default: it is revoked at once.
    #[schema(value_type = Option<field::Overlap>, required = false)]
    overlap: Option<String>,
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

    fn end(&self) -> End<'_> {
        let (expires_at, expires_in) = (self.expires_at.as_deref(), self.expires_in.as_deref());
        End { expires_at, expires_in, expires: self.expires.as_deref() }
    }
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
        handover: Handover::AtOnce,
        expiry: body.end().parse(auth.now())?,
        seen: based_on.0,
        submission,
    };
    let made = auth.rotate_key(&asking, rotation).await.map_err(|error| body.end().name(error))?;
    shown(&manager.site, &asking, made).await
}
