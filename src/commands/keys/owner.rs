//! The user that `--owner` names.

use crate::auth::Auth;
use crate::auth::caller::Asking;
use crate::error::{Error, Kind, Result};
use crate::model::UserId;

pub async fn owner_called(auth: &Auth, asking: &Asking, email: &str) -> Result<UserId> {
    let found = auth.user_by_email(asking, email).await;
    found.map(|user| user.id).map_err(|error| match error.kind {
        Kind::NotFound => Error::conflict(format!(
            "There is no user {email}. keybearer users list shows all users; keybearer users add {email} adds this one."
        )),
        _ => error,
    })
}
