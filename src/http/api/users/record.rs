//! A user's record as the API and the command line show it, without the password and its hash.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::schema::field;
use crate::model::{Email, Role, Time, User, UserId};

/// A user's record.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserJson {
    #[schema(value_type = field::Id)]
    id: UserId,
    #[schema(value_type = String)]
    email: Email,
    #[schema(value_type = field::Role)]
    role: Role,
    /// Whether the user can sign in and their keys are accepted.
    active: bool,
    /// The number of the user's keys.
    keys: u64,
    #[schema(value_type = field::Moment)]
    created_at: Time,
    /// `null` means the user has not signed in yet.
    #[schema(value_type = Option<field::Moment>, required = true)]
    last_login_at: Option<Time>,
    /// Only in a damaged record: the fields whose stored values cannot be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<String>>, required = false)]
    unreadable: Vec<&'static str>,
}

impl From<User> for UserJson {
    fn from(user: User) -> Self {
        UserJson {
            id: user.id,
            email: user.email,
            role: user.role,
            active: user.active,
            keys: user.keys,
            created_at: user.created_at,
            last_login_at: user.last_login_at,
            unreadable: user.unreadable,
        }
    }
}
