//! Reading how keys are used.

use super::{Auth, Caller};
use crate::error::{Error, Result};
use crate::model::key_clients::{ClientUses, KeyClient, MAX_CLIENTS_PER_KEY, with};
use crate::model::usage::LATEST_REFUSALS;
use crate::model::usage_report::{KeyUsage, UsageReport, UsageSpan};
use crate::model::{KeyId, KeyRecord, Reach, UserId};

impl Auth {
    /// The usage of a key that the caller can see, with the key's record.
    pub async fn key_usage(&self, caller: &Caller, id: KeyId, span: UsageSpan) -> Result<(KeyRecord, KeyUsage)> {
        let record = self.key(caller, id).await?;
        let usage = self.usage_of(&record, span).await?;
        Ok((record, usage))
    }

    /// Includes what is counted and not in the database yet.
    pub async fn usage_of(&self, record: &KeyRecord, span: UsageSpan) -> Result<KeyUsage> {
        let id = record.id;
        let (uses, refusals, clients, latest) = self
            .store
            .read(move |tx| {
                let uses = tx.hourly_uses(id, span.since, span.until)?;
                let refusals = tx.hourly_refusals(id, span.since, span.until)?;
                Ok((uses, refusals, tx.key_clients(id, MAX_CLIENTS_PER_KEY)?, tx.latest_refusals(id)?))
            })
            .await?;
        let pending = self.usage.pending(record, &self.store, self.now());
        let mut report = UsageReport::empty(span);
        uses.into_iter().for_each(|(hour, count)| report.add(hour, None, count));
        refusals.into_iter().for_each(|(hour, reason, count)| report.add(hour, Some(reason), count));
        pending.uses.iter().for_each(|(hour, tally)| report.add(*hour, None, tally.count));
        pending.refusals.iter().for_each(|one| report.add(one.hour, Some(one.reason), one.count));
        let mut latest_refusals: Vec<_> = pending.latest_refusals.iter().rev().map(Into::into).chain(latest).collect();
        latest_refusals.sort_by_key(|one| std::cmp::Reverse(one.at));
        latest_refusals.truncate(LATEST_REFUSALS);
        let clients = with(clients, pending.uses.iter().map(|(hour, tally)| ClientUses::of(*hour, tally)));
        Ok(KeyUsage { report, clients, latest_refusals })
    }

    /// The clients of a key, the latest one first.
    pub async fn latest_clients(&self, record: &KeyRecord) -> Result<Vec<KeyClient>> {
        let id = record.id;
        let stored = self.store.read(move |tx| tx.key_clients(id, MAX_CLIENTS_PER_KEY)).await?;
        let pending = self.usage.pending(record, &self.store, self.now());
        Ok(with(stored, pending.uses.iter().map(|(hour, tally)| ClientUses::of(*hour, tally))))
    }

    /// The sums of an owner's keys, or of all keys that the caller can see. Counts that are not in the database yet are
    /// missing.
    pub async fn total_usage(&self, caller: &Caller, owner: Option<UserId>, span: UsageSpan) -> Result<UsageReport> {
        let owner = match (owner, caller.reach()) {
            (None, Reach::Own(own)) => Some(own),
            (Some(owner), Reach::Own(own)) if owner != own => return Err(Error::not_found("user")),
            (owner, _) => owner,
        };
        let rows = self.store.read(move |tx| tx.hourly_totals(owner, span.since, span.until)).await?;
        let mut report = UsageReport::empty(span);
        rows.into_iter().for_each(|(hour, refusal, count)| report.add(hour, refusal, count));
        Ok(report)
    }
}
