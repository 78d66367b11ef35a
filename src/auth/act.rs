//! How an act reaches the database: as one transaction on the writer's thread, which checks the caller's authority
//! again before anything else. The answer is sent once the act is durable and in the index.

use super::by::By;
use super::{Auth, authority};
use crate::error::Result;
use crate::model::Origin;
use crate::store::{Tx, Urgency};

impl Auth {
    /// The actor, authority and current time for an act of this origin.
    pub(super) fn by(&self, origin: &Origin) -> By {
        By { origin: origin.clone(), at: self.now() }
    }

    /// `act` may run twice: if the disk turns out to be full, revocations are retried.
    pub(super) async fn act<T: Send + 'static>(
        &self,
        urgency: Urgency,
        by: By,
        act: impl Fn(&Tx<'_>, &By) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let judged = move |tx: &Tx<'_>| {
            authority::must_hold(tx, &by)?;
            act(tx, &by)
        };
        self.store.write(urgency, judged).await
    }
}
