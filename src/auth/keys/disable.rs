//! Disables several keys at once.

use super::change::change;
use crate::auth::by::By;
use crate::auth::caller::Asking;
use crate::auth::{Auth, Urgency};
use crate::error::{Kind, Result};
use crate::model::{Basis, KeyChange, KeyId};
use crate::store::Tx;

impl Auth {
    /// Disables these keys in one transaction. Returns how many of them do not exist, or are out of reach.
    pub async fn disable_keys(&self, asking: &Asking, ids: Vec<KeyId>) -> Result<usize> {
        let wanted = KeyChange::disable();
        for id in &ids {
            asking.caller.may_move_bounds(*id, &wanted)?;
        }
        let caller = asking.caller.clone();
        let disable = move |tx: &Tx<'_>, by: &By| {
            let mut missing = 0;
            for id in &ids {
                match change(tx, by, &caller, *id, &wanted, &Basis::Anything) {
                    Ok(_) => {}
                    Err(error) if error.kind == Kind::NotFound => missing += 1,
                    Err(error) => return Err(error),
                }
            }
            Ok(missing)
        };
        self.act(Urgency::Revocation, self.by(&asking.origin), disable).await
    }
}
