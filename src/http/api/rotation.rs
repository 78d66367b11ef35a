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
    /// How long the old key goes on, such as `24h`; at most 90 days. Without it, it is revoked at once.
    #[schema(value_type = Option<field::Overlap>, required = false)]
    overlap: Option<String>,
    /// When the new key ends: one of `expires_at`, `expires_in` and `expires`. Without any, it gets the lifetime
    /// that the old one was created with.
    #[schema(value_type = Option<field::Moment>, required = false)]
    expires_at: Option<String>,
    /// Such as `90d`, `12h`, `15m`, `30s`.
    #[schema(value_type = Option<field::Span>, required = false)]
    expires_in: Option<String>,
    /// Either, or `never`.
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

/// The one answer that holds the new key's text; the same request once more gets the record alone.
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
