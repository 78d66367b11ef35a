//! `GET /api/v1/keys/{id}/usage`: how often a key was accepted and refused, and who used it.

use actix_web::HttpResponse;
use actix_web::web::Path;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::api::manager::KeysManager;
use crate::http::api::parameters::Parameters;
use crate::http::api::usage::{SPAN, UsageJson, span, with_span};
use crate::http::problem::Problem;
use crate::http::schema::{Operation, field};
use crate::model::key_clients::KeyClient;
use crate::model::usage::{Day, LatestRefusal};
use crate::model::usage_report::KeyUsage;
use crate::model::{KeyId, Time};

/// The usage of one key.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyUsage)]
pub struct KeyUsageJson<'a> {
    #[serde(flatten)]
    usage: UsageJson,
    /// The clients that used the key in this range, by the day, the latest one first; max 50.
    #[schema(value_type = Vec<ClientJson>)]
    clients: Vec<ClientJson<'a>>,
    /// The latest refusals, whatever the range, the last one first; max 20.
    #[schema(value_type = Vec<LatestRefusalSchema>)]
    latest_refusals: Vec<LatestRefusalJson<'a>>,
}

/// An address and a program that used a key.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyClient)]
pub struct ClientJson<'a> {
    /// `null` if it is not known.
    #[schema(value_type = Option<String>, required = true)]
    address: Option<&'a str>,
    /// `null` if the client did not send one.
    #[schema(value_type = Option<String>, required = true)]
    user_agent: Option<&'a str>,
    #[schema(value_type = field::Moment)]
    first_at: Time,
    #[schema(value_type = field::Moment)]
    last_at: Time,
    /// Uses on the days of the range.
    count: u64,
}

#[derive(Serialize)]
struct LatestRefusalJson<'a> {
    at: Time,
    reason: &'static str,
    address: Option<&'a str>,
    user_agent: Option<&'a str>,
}

/// A refusal of a key.
#[derive(ToSchema)]
#[schema(as = LatestRefusal)]
#[expect(dead_code, reason = "the schema of `LatestRefusalJson`, which borrows")]
struct LatestRefusalSchema {
    #[schema(value_type = field::Moment)]
    at: String,
    /// The code, as `POST /api/v1/keys/verify` returns it.
    reason: String,
    #[schema(value_type = Option<String>, required = true)]
    address: String,
    #[schema(value_type = Option<String>, required = true)]
    user_agent: String,
}

pub fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

impl<'a> From<&'a LatestRefusal> for LatestRefusalJson<'a> {
    fn from(one: &'a LatestRefusal) -> Self {
        let (address, user_agent) = (one.address.as_deref(), one.user_agent.as_deref());
        LatestRefusalJson { at: one.at, reason: one.reason.code(), address, user_agent }
    }
}

impl<'a> From<&'a KeyUsage> for KeyUsageJson<'a> {
    fn from(usage: &'a KeyUsage) -> Self {
        let (from, to) = usage.report.days();
        let clients = usage.clients.iter().map(|client| ClientJson::of(client, from, to));
        KeyUsageJson {
            usage: UsageJson::from(&usage.report),
            clients: clients.filter(|client| client.count > 0).collect(),
            latest_refusals: usage.latest_refusals.iter().map(Into::into).collect(),
        }
    }
}

impl<'a> ClientJson<'a> {
    fn of(client: &'a KeyClient, from: Day, to: Day) -> Self {
        ClientJson {
            address: filled(&client.name.address),
            user_agent: filled(&client.name.user_agent),
            first_at: client.first_at,
            last_at: client.last_at,
            count: client.days.sum(from, to),
        }
    }
}

pub fn operation() -> Operation {
    let operation = Operation::new("Keys", "getKeyUsage", "Usage of one key")
        .described_as("Checks of JWTs at your own service are not counted.");
    with_span(operation).refuses(&[404]).answers::<KeyUsageJson>(200, "The counts, clients and latest refusals.", &[])
}

pub async fn show(manager: KeysManager, id: Path<String>, query: Parameters) -> Result<HttpResponse, Problem> {
    let query = query.only(&SPAN)?;
    let (auth, asking) = (&manager.site.auth, manager.asking().await?);
    let span = span(&query, auth.now())?;
    let (_, usage) = auth.key_usage(&asking.caller, KeyId::parse(&id)?, span).await?;
    Ok(HttpResponse::Ok().json(KeyUsageJson::from(&usage)))
}
