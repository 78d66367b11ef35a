//! `POST /api/v1/keys/{id}/rotate`.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde::Deserialize;
use utoipa::ToSchema;

use super::based_on::BasedOn;
use super::idempotency::{Repeatable, RepeatableBody};
use super::manage::shown;
use super::manager::KeysManager;
use crate::auth::Rotation;
use crate::error::Result as Outcome;
use crate::http::json_value::given;
use crate::http::openapi::field;
use crate::http::problem::Problem;
use crate::model::{KeyId, Overlap};

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rotation)]
pub struct RotateBody {
    /// How long the old key goes on, such as `24h`; at most 90 days. Without it, it is revoked at once.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = field::Overlap, required = false)]
    overlap: Option<String>,
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
    let rotation = Rotation { key: KeyId::parse(&id)?, overlap: request.body.overlap()?, seen: based_on.0, submission };
    let made = manager.site.auth.rotate_key(&asking, rotation).await?;
    shown(&manager.site, &asking, made).await
}
