//! How an act reaches the database: as one transaction on the writer's thread, in which whoever acts is judged once
//! more before anything else. It is answered once it is durable and the index knows.

use super::by::By;
use super::{Auth, authority};
use crate::error::Result;
use crate::model::Origin;
use crate::store::{Tx, Urgency};

impl Auth {
    /// The act of this origin, now.
    pub(super) fn by(&self, origin: &Origin) -> By {
        By { origin: origin.clone(), at: self.now() }
    }

    /// `act` may run twice: when a disk turns out to be full, what takes something away is tried again.
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
