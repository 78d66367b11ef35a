//! `/api/v1/keys` and `/api/v1/keys/{id}`: managing keys with a key that has the scope `keybearer:keys`.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::Path;
use serde::Serialize;
use utoipa::ToSchema;

use super::KeyJson;
use super::based_on::{BasedOn, etag};
use super::idempotency::Repeatable;
use super::key_body::{KeyChangeBody, NewKeyBody};
use super::manager::KeysManager;
use super::parameters::Parameters;
use crate::auth::Made;
use crate::auth::caller::Asking;
use crate::error::{Error, Kind};
use crate::http::SiteRef;
use crate::http::body::Json;
use crate::http::problem::Problem;
use crate::model::{Cursor, KeyFilter, KeyId, KeyRecord, PlainKey};

#[derive(Serialize, ToSchema)]
pub struct KeyPage {
    keys: Vec<KeyJson>,
    /// The cursor of the next page; `null` on the last page.
    #[schema(value_type = Option<String>, required = true)]
    next_cursor: Option<String>,
}

/// A new key: its record and, only in this response, the key itself.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeKey)]
pub struct MadeKeyJson {
    #[serde(flatten)]
    record: KeyJson,
    key: String,
}

impl MadeKeyJson {
    pub fn new(record: KeyRecord, key: &PlainKey) -> Self {
        MadeKeyJson { record: KeyJson::from(record), key: key.expose().to_owned() }
    }
}

pub async fn list(manager: KeysManager, query: Parameters) -> Result<HttpResponse, Problem> {
    let query = query.only(&["owner", "search", "enabled", "limit", "cursor"])?;
    let (auth, asking) = (&manager.site.auth, manager.asking().await?);
    let owner = match query.filled("owner") {
        Some(text) => Some(auth.owner(&asking.caller, text).await?),
        None => None,
    };
    let list = KeyFilter {
        owner,
        search: query.search()?,
        enabled: query.truth("enabled")?,
        after: query.filled("cursor").map(Cursor::parse).transpose()?,
        limit: query.limit()?,
    };
    let page = auth.keys(&asking.caller, list).await?;
    let keys = page.rows.into_iter().map(KeyJson::from).collect();
    Ok(HttpResponse::Ok().json(KeyPage { keys, next_cursor: page.next.map(|cursor| cursor.text()) }))
}

/// Creates a key. Only this response contains the key itself; a repeated request gets only the record.
pub async fn create(manager: KeysManager, request: Repeatable<NewKeyBody>) -> Result<HttpResponse, Problem> {
    let (auth, asking) = (&manager.site.auth, manager.asking().await?);
    let submission = request.submission(manager.id());
    let own = asking.caller.owner().map(|owner| owner.id.to_string()).unwrap_or_default();
    let owner = auth.owner(&asking.caller, request.body.owner.as_deref().unwrap_or(&own)).await?;
    let asked = request.body.request(owner, submission, auth.now())?;
    let made = auth.create_key(&asking, asked).await.map_err(|error| request.body.end().name(error))?;
    shown(&manager.site, &asking, made).await
}

pub async fn show(manager: KeysManager, id: Path<String>) -> Result<HttpResponse, Problem> {
    let asking = manager.asking().await?;
    Ok(answer(StatusCode::OK, manager.site.auth.key(&asking.caller, KeyId::parse(&id)?).await?))
}

pub async fn change(
    manager: KeysManager,
    id: Path<String>,
    based_on: BasedOn,
    body: Json<KeyChangeBody>,
) -> Result<HttpResponse, Problem> {
    let (auth, asking) = (&manager.site.auth, manager.asking().await?);
    let change = body.0.change(auth.now())?;
    Ok(answer(StatusCode::OK, auth.change_key(&asking, KeyId::parse(&id)?, change, based_on.0).await?))
}

pub async fn revoke(manager: KeysManager, id: Path<String>, based_on: BasedOn) -> Result<HttpResponse, Problem> {
    let asking = manager.asking().await?;
    manager.site.auth.revoke_key(&asking, KeyId::parse(&id)?, based_on.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn shown(site: &SiteRef, asking: &Asking, made: Made) -> Result<HttpResponse, Problem> {
    match made {
        Made::Now { key, record } => {
            let location = (header::LOCATION, format!("/api/v1/keys/{}", record.id));
            let tag = etag(record.version());
            let body = MadeKeyJson::new(*record, &key);
            Ok(HttpResponse::Created().insert_header(location).insert_header(tag).json(body))
        }
        Made::Before(id) => match site.auth.key(&asking.caller, id).await {
            Ok(record) => Ok(answer(StatusCode::OK, record)),
            Err(error) if error.kind == Kind::NotFound => {
                Err(Error::conflict("The key that this request created was revoked. Use a new Idempotency-Key.").into())
            }
            Err(error) => Err(error.into()),
        },
    }
}

fn answer(status: StatusCode, record: KeyRecord) -> HttpResponse {
    let tag = etag(record.version());
    HttpResponse::build(status).insert_header(tag).json(KeyJson::from(record))
}
