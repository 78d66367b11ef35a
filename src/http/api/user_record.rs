//! A person's record as the API and the command line show it. Never a password or its hash.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::openapi::field;
use crate::model::{Email, Role, Time, User, UserId};

/// A person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserJson {
    #[schema(schema_with = field::id)]
    id: UserId,
    #[schema(value_type = String)]
    email: Email,
    #[schema(schema_with = field::role)]
    role: Role,
    /// Whether the user and the user's keys are accepted.
    active: bool,
    /// How many there are.
    keys: u64,
    #[schema(schema_with = field::time)]
    created_at: Time,
    /// null: never yet.
    #[schema(schema_with = field::time_or_null)]
    last_login_at: Option<Time>,
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
        }
    }
}
