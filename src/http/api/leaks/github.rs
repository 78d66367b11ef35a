//! `POST /api/v1/leaks/github`: GitHub's secret scanning partner program sends the keys that it finds in public places.
//! <https://docs.github.com/en/code-security/secret-scanning/secret-scanning-partner-program>

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use data_encoding::BASE64;
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::{LeakReport, ReportedKey};
use crate::http::bearer::{request_id, site};
use crate::http::body::{SecretText, must_be_json, read_up_to};
use crate::http::problem::Problem;
use crate::http::schema::{Operation, field};
use crate::http::{SiteRef, client};
use crate::model::{Digest, LeakPlace, Origin};

/// Maximum size of a message in bytes.
const MAX_BODY: usize = 1024 * 1024;
const KEY_ID: &str = "Github-Public-Key-Identifier";
const SIGNATURE: &str = "Github-Public-Key-Signature";

#[derive(Deserialize, ToSchema)]
#[schema(as = GitHubMatches)]
pub struct MatchesBody(Vec<MatchBody>);

/// One key that GitHub has found. Other members are ignored.
#[derive(Deserialize, ToSchema)]
#[schema(as = GitHubMatch)]
pub struct MatchBody {
    #[schema(value_type = String)]
    token: SecretText,
    /// The name under which the pattern was registered.
    r#type: String,
    /// Where the key was found; shown in the owner's notice.
    #[serde(default)]
    url: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = GitHubVerdicts)]
pub struct MatchVerdictsJson(Vec<MatchVerdictJson>);

/// Whether a key that was found is one of ours.
#[derive(Serialize, ToSchema)]
#[schema(as = GitHubVerdict)]
pub struct MatchVerdictJson {
    /// SHA-256 of the token in hexadecimal.
    token_hash: String,
    token_type: String,
    /// `true_positive` for a key that exists or was revoked, otherwise `false_positive`.
    label: &'static str,
}

pub fn operation() -> Operation {
    Operation::new("Leaks", "reportLeakFromGitHub", "Receive leaked keys from GitHub")
        .described_as(
            "For GitHub’s secret scanning partner program; 404 unless the server is started with `--github-keys`. The \
             keys are revoked before the answer, and a notice tells each owner where the key was found.",
        )
        .header(KEY_ID, field::any_text(), "Which of GitHub’s keys signed the body.")
        .header(SIGNATURE, field::any_text(), "The signature of the body: ECDSA P-256 with SHA-256, DER in base64.")
        .takes::<MatchesBody>()
        .answers::<MatchVerdictsJson>(200, "What is known about each key.", &[])
        .refuses(&[403, 404, 429])
}

/// A message with a valid signature.
pub struct GitHubMessage {
    site: SiteRef,
    matches: Vec<MatchBody>,
    origin: Origin,
}

impl FromRequest for GitHubMessage {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let site = site(&request)?;
            let Some(keys) = &site.github_keys else { return Err(Problem::not_found()) };
            let address = client::address(&site.settings, &request);
            site.auth.may_prove_report(address)?;
            must_be_json(&request)?;
            let body = read_up_to(MAX_BODY, &request, &mut payload).await?;
            let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let is_signed = BASE64
                .decode(header(SIGNATURE).trim().as_bytes())
                .is_ok_and(|signature| keys.verify(header(KEY_ID).trim(), &signature, &body));
            if !is_signed {
                site.auth.may_report(address)?;
                let detail = "The signature of this message is not GitHub’s, or --github-keys is outdated.";
                return Err(Problem::new(StatusCode::FORBIDDEN, "invalid_signature", detail));
            }
            let MatchesBody(matches) = serde_json::from_slice(&body).map_err(|_| {
                Problem::new(StatusCode::BAD_REQUEST, "invalid_json", "The body is not a list of matches in JSON.")
            })?;
            let request_id = request_id(&request).as_str().to_owned();
            let origin = Origin::leak_report("GitHub secret scanning", address, request_id);
            Ok(GitHubMessage { site: site.clone(), matches, origin })
        })
    }
}

pub async fn receive(message: GitHubMessage) -> Result<HttpResponse, Problem> {
    let GitHubMessage { site, matches, origin } = message;
    let keys: Vec<ReportedKey> = matches
        .iter()
        .map(|found| ReportedKey {
            digest: Digest::of(found.token.expose().as_bytes()),
            place: found.url.as_deref().and_then(LeakPlace::of),
        })
        .collect();
    let known = site.auth.revoke_reported(LeakReport { keys: keys.clone(), origin }).await?;
    let verdict = |((found, key), is_known): ((MatchBody, &ReportedKey), bool)| MatchVerdictJson {
        token_hash: hex::encode(key.digest.as_bytes()),
        token_type: found.r#type,
        label: if is_known { "true_positive" } else { "false_positive" },
    };
    let verdicts = matches.into_iter().zip(&keys).zip(known).map(verdict).collect();
    Ok(HttpResponse::Ok().json(MatchVerdictsJson(verdicts)))
}
