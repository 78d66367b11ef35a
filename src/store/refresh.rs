//! Refresh tokens: each is used once, but for a client that sends it again within some seconds. Used ones
//! stay as long as their family, so that a copy is noticed.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::Store;
use super::keys::{self, Reach, record, revoke};
use super::rows::{Salvage, changed, flag, sql, time, time_or_null};
use super::tokens::{self, NewToken};
use crate::error::Result;
use crate::model::time::SKEW;
use crate::model::token::NextSeed;
use crate::model::{Action, Digest, FamilyId, KeyId, KeyPrefix, Origin, Time};

/// Who uses a refresh token, when, and what the next pair follows from.
#[derive(Debug, Clone)]
pub struct RefreshUse {
    pub at: Time,
    pub seed: NextSeed,
    /// The client's neighbourhood; `None` where its address could not be read, so nobody else is there too.
    pub from: Option<String>,
    /// Its user agent.
    pub with: String,
    /// For so long it may come again; zero: never.
    pub reuse: Duration,
}

/// What became of a refresh.
#[derive(Debug, Clone, Copy)]
pub enum Refreshed {
    /// Until when the family can be refreshed, and when the token ends.
    Done { family_ends: Time, token_ends: Time },
    /// The same client used it a moment ago: the pair that it got follows from this.
    Again(NextSeed),
    /// No such refresh token, or one whose time is over.
    Unknown,
    /// It had been used: somebody has a copy, so the whole family was ended.
    Reused,
}

/// What has become of the pair that a refresh token belongs to.
#[derive(Debug)]
pub enum Pair {
    /// It is the one that is good now.
    Good {
        prefix: KeyPrefix,
        token_ends: Time,
        family_ends: Time,
    },
    /// Another one followed it a moment ago.
    Replaced(NextSeed),
    Over,
}

impl Store {
    /// Whether there is such a refresh token, used or not: strangers' guesses never reach the writer.
    pub async fn knows_refresh_token(&self, presented: Digest) -> Result<bool> {
        self.read(move |db| Ok(find(db, &presented)?.is_some())).await
    }

    /// The next token of a family, in place of the last one. Committed even when it is refused for
    /// reuse: then the family is gone.
    pub async fn refresh_token(
        &self,
        presented: Digest,
        new: NewToken,
        used: RefreshUse,
        now: Time,
        origin: Origin,
    ) -> Result<Refreshed> {
        self.write(origin, now, move |db, origin| {
            tokens::prune(db, now)?;
            forget_seeds(db, used.reuse, now)?;
            let Some(found) = find(db, &presented)? else { return Ok(Refreshed::Unknown) };
            // A family may have lost its token by hand, or the id of it.
            let Some(old) = keys::found(db, found.key, Reach::Anyone)? else { return Ok(Refreshed::Unknown) };
            let by_owner = Origin { actor: tokens::owner_of(&old), ..origin.clone() };
            if found.is_used {
                if let Some(seed) = found.seed_for(&used) {
                    return Ok(Refreshed::Again(seed));
                }
                tokens::log(db, Action::TokenReused, &old, now, origin)?;
                revoke(db, old, now, origin)?;
                return Ok(Refreshed::Reused);
            }
            if !found.is_good(now) || !old.owner_active || !old.enabled {
                return Ok(Refreshed::Unknown);
            }
            note_use(db, &presented, &used)?;
            let sql_text = "UPDATE token_families SET key_id = ?2 WHERE id = ?1";
            changed(db, sql_text, (found.family.as_bytes(), new.id.as_bytes()))?;
            changed(db, "DELETE FROM keys WHERE id = ?1", [old.id.as_bytes()])?;
            let new = NewToken { expires_at: new.expires_at.min(found.ends), ..new.clone() };
            tokens::insert(db, found.family, old.owner.id, &old.scopes, &new, now)?;
            tokens::log(db, Action::TokenRefreshed, &record(db, new.id, Reach::Anyone)?, now, &by_owner)?;
            Ok(Refreshed::Done { family_ends: found.ends, token_ends: new.expires_at })
        })
        .await
    }

    pub async fn pair_of_refresh(&self, refresh: Digest, reuse: Duration, now: Time) -> Result<Pair> {
        self.read(move |db| {
            let Some(found) = find(db, &refresh)?.filter(|found| found.is_good(now)) else { return Ok(Pair::Over) };
            if found.is_used {
                return Ok(found.recent_seed(reuse, now).map_or(Pair::Over, Pair::Replaced));
            }
            let Some(token) = keys::found(db, found.key, Reach::Anyone)? else { return Ok(Pair::Over) };
            let prefix = token.prefix.as_deref().and_then(|text| KeyPrefix::parse(text).ok());
            let is_live = token.enabled && token.owner_active && !token.is_expired(now);
            Ok(match (prefix, token.expires_at) {
                (Some(prefix), Some(token_ends)) if is_live => {
                    Pair::Good { prefix, token_ends, family_ends: found.ends }
                }
                _ => Pair::Over,
            })
        })
        .await
    }
}

/// Seeds are kept no longer than they can be asked for.
pub(super) fn forget_seeds(db: &Connection, reuse: Duration, now: Time) -> Result<()> {
    let sql_text = "UPDATE refresh_tokens SET seed = NULL, used_from = NULL, used_with = NULL
         WHERE seed IS NOT NULL AND (used_at <= ?1 OR used_at > ?2)";
    changed(db, sql_text, (now.minus(reuse).millis(), now.plus(SKEW).millis())).map(drop)
}

fn note_use(db: &Connection, presented: &Digest, used: &RefreshUse) -> Result<()> {
    let may_come_again = !used.reuse.is_zero();
    let sql_text = "UPDATE refresh_tokens SET is_used = 1, used_at = ?2, seed = ?3, used_from = ?4, used_with = ?5 WHERE digest = ?1";
    let kept = (
        presented.as_bytes(),
        used.at.millis(),
        may_come_again.then_some(used.seed.as_bytes()),
        used.from.as_ref().filter(|_| may_come_again),
        may_come_again.then_some(&used.with),
    );
    changed(db, sql_text, kept).map(drop)
}

struct Found {
    family: FamilyId,
    key: KeyId,
    created: Time,
    ends: Time,
    is_used: bool,
    used_at: Option<Time>,
    seed: Option<NextSeed>,
    used_from: Option<String>,
    used_with: Option<String>,
}

impl Found {
    fn is_good(&self, now: Time) -> bool {
        now < self.ends && !self.created.is_ahead_of(now)
    }

    fn recent_seed(&self, reuse: Duration, now: Time) -> Option<NextSeed> {
        let at = self.used_at?;
        // On both sides: a clock set back must not make the seconds longer.
        let is_recent = now.since(at) < reuse && at.since(now) < reuse;
        self.seed.filter(|_| is_recent)
    }

    /// A client may change its network between two tries, or its version; hardly both.
    fn seed_for(&self, used: &RefreshUse) -> Option<NextSeed> {
        let is_there = self.used_from.is_some() && self.used_from == used.from;
        let is_same_client = is_there || self.used_with.as_ref() == Some(&used.with);
        self.recent_seed(used.reuse, used.at).filter(|_| is_same_client && self.is_good(used.at))
    }
}

fn find(db: &Connection, presented: &Digest) -> Result<Option<Found>> {
    let mut query = db
        .prepare_cached(
            "SELECT f.id, f.key_id, f.expires_at, r.is_used, f.created_at, r.used_at, r.seed, r.used_from, r.used_with, f.user_id
             FROM refresh_tokens r JOIN token_families f ON f.id = r.family_id WHERE r.digest = ?1",
        )
        .map_err(sql)?;
    let found = query.query_row([presented.as_bytes()], |row| {
        let mut salvage = Salvage::of(row);
        let (family, key, _) = (salvage.id("id", 0), salvage.id("key_id", 1), salvage.id("user_id", 9));
        Ok(Found {
            family: FamilyId::from_bytes(family),
            key: KeyId::from_bytes(key),
            // What cannot be read makes it the less: over, used, unknown to its client.
            ends: time(row, 2).ok().filter(|_| salvage.unreadable.is_empty()).unwrap_or(Time::from_millis(i64::MIN)),
            is_used: flag(row, 3).unwrap_or(true),
            created: time(row, 4).unwrap_or(Time::from_millis(i64::MAX)),
            used_at: time_or_null(row, 5).unwrap_or_default(),
            seed: row.get::<_, Option<[u8; 32]>>(6).unwrap_or_default().map(NextSeed::new),
            used_from: row.get(7).unwrap_or_default(),
            used_with: row.get(8).unwrap_or_default(),
        })
    });
    found.optional().map_err(sql)
}
