//! A person's record as the API and the command line show it. Never a password or its hash.

use serde::Serialize;

use crate::model::{Email, Role, Time, User, UserId};

#[derive(Debug, Serialize)]
pub struct UserJson {
    id: UserId,
    email: Email,
    role: Role,
    active: bool,
    /// How many there are.
    keys: u64,
    created_at: Time,
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
