//! `POST /api/v1/leaks`: whoever finds a key can have it revoked, without proving anything else. The answer is sent before
//! the keys are looked up, so neither it nor its time tells whether they exist.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::{LeakReport, ReportedKey};
use crate::error::Error;
use crate::http::bearer::{request_id, site};
use crate::http::body::{SecretText, json_up_to};
use crate::http::problem::Problem;
use crate::http::schema::Operation;
use crate::http::{SiteRef, client};
use crate::model::{Digest, Origin, PlainKey};

/// Maximum size of a report in bytes.
const MAX_BODY: usize = 256 * 1024;
const MAX_KEYS: usize = 1_000;
/// Maximum number of texts without the shape of our keys, which can only be imported keys. Those may be short enough to
/// guess, and a report must not be a way to try many.
const MAX_WORDS: usize = 100;

/// Whole keys, or a text that contains keys; exactly one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LeakReport)]
pub struct LeakBody {
    /// Whole keys, up to 1,000.
    #[schema(value_type = Option<Vec<String>>, required = false)]
    keys: Option<Vec<SecretText>>,
    /// Any text, such as a log or a diff, with up to 1,000 keys.
    #[schema(value_type = Option<String>, required = false)]
    text: Option<SecretText>,
}

/// The same answer to every report.
#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedReport)]
pub struct AcceptedJson {
    /// Always `true`. It does not say whether a key was found.
    accepted: bool,
}

pub fn operation() -> Operation {
    Operation::new("Leaks", "reportLeak", "Report leaked keys")
        .described_as(
            "Revokes every key and token in the report, usually within a second, and tells their owners. The answer is \
             the same whether or not any of them exists. Max 256 KiB per report; an address can send 60 reports, and \
             one more per minute.",
        )
        .takes::<LeakBody>()
        .answers::<AcceptedJson>(202, "The report was accepted.", &[])
        .refuses(&[429])
}

/// A report, and where it comes from. The address is limited before the body is read.
pub struct ReportRequest {
    site: SiteRef,
    body: LeakBody,
    origin: Origin,
}

impl FromRequest for ReportRequest {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let site = site(&request)?;
            let address = client::address(&site.settings, &request);
            site.auth.may_report(address)?;
            let (body, _) = json_up_to(MAX_BODY, &request, &mut payload, || None).await?;
            let origin = Origin::leak_report("leak report", address, request_id(&request).as_str().to_owned());
            Ok(ReportRequest { site, body, origin })
        })
    }
}

pub async fn report(request: ReportRequest) -> Result<HttpResponse, Problem> {
    let ReportRequest { site, body, origin } = request;
    let digests: Vec<Digest> = match (body.keys, body.text) {
        (Some(keys), None) if keys.len() > MAX_KEYS => return Err(too_many("keys")),
        (Some(keys), None) => {
            let texts: Vec<&[u8]> = keys.iter().map(|key| key.expose().trim().as_bytes()).collect();
            if texts.iter().filter(|text| !PlainKey::is_well_formed(text)).count() > MAX_WORDS {
                return Err(too_many_words());
            }
            texts.into_iter().map(Digest::of).collect()
        }
        (None, Some(text)) => {
            let own = site.clone();
            let search = move || own.auth.digests_in(text.expose().as_bytes());
            let found = web::block(search).await.map_err(Error::internal)?;
            if found.keys.len() > MAX_KEYS {
                return Err(too_many("text"));
            }
            found.keys.iter().chain(found.words.iter().take(MAX_WORDS)).copied().take(MAX_KEYS).collect()
        }
        (Some(_), Some(_)) => return Err(Error::invalid("text", "Send either keys or text, not both.").into()),
        (None, None) => {
            return Err(Error::invalid("keys", "Send the leaked keys, or a text that contains them.").into());
        }
    };
    let keys = digests.into_iter().map(|digest| ReportedKey { digest, place: None }).collect();
    site.auth.accept_report(LeakReport { keys, origin })?;
    Ok(HttpResponse::Accepted().json(AcceptedJson { accepted: true }))
}

fn too_many_words() -> Problem {
    let message = "A report must not have more than 100 keys of another format. Send the others in another report.";
    Error::invalid("keys", message).into()
}

fn too_many(field: &'static str) -> Problem {
    Error::invalid(field, "A report must not have more than 1,000 keys. Send the others in another report.").into()
}
