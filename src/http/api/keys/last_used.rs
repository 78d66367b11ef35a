//! The latest clients in a key's record.

use serde::Serialize;
use utoipa::ToSchema;

use super::usage::filled;
use crate::http::schema::field;
use crate::model::Time;
use crate::model::key_clients::KeyClient;
use crate::model::usage::Day;

/// Maximum clients in a record.
pub const MAX_LAST_USED: usize = 5;

/// An address and a program that used a key lately.
#[derive(Serialize, ToSchema)]
#[schema(as = LastUsed)]
pub struct LastUsedJson<'a> {
    /// `null` if it is not known.
    #[schema(value_type = Option<String>, required = true)]
    address: Option<&'a str>,
    /// `null` if the client did not send one.
    #[schema(value_type = Option<String>, required = true)]
    user_agent: Option<&'a str>,
    #[schema(value_type = field::Moment)]
    at: Time,
    /// Uses in the last 90 days.
    count: u64,
}

impl<'a> From<&'a KeyClient> for LastUsedJson<'a> {
    fn from(client: &'a KeyClient) -> Self {
        LastUsedJson {
            address: filled(&client.name.address),
            user_agent: filled(&client.name.user_agent),
            at: client.last_at,
            count: client.days.sum(Day(0), client.days.last_day()),
        }
    }
}
