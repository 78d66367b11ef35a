//! Exchanges a refresh token for the next pair. A client may send one twice at once, or again because the answer was
//! lost: for a few seconds it gets the same pair, and nothing is revoked. Later reuse means that the token was copied.
//! Used refresh tokens are kept as long as their family, so that a copy is detected.

use std::time::Duration;

use super::family::{NewToken, log, prune, put_token};
use super::{Fresh, Issued};
use crate::auth::by::By;
use crate::auth::{Auth, Urgency, keys};
use crate::error::{Error, Result};
use crate::model::time::SKEW;
use crate::model::token::{NextSeed, RefreshToken};
use crate::model::{Action, Actor, Digest, KeyId, KeyPrefix, KeyRecord, Origin, PlainKey, Reach, Time, foreign_text};
use crate::store::{RefreshTokenRow, RefreshUse, Tx};

pub const REFUSED: &str = "This refresh token is not valid. Request a token with email and password.";

/// Maximum number of consecutive pairs that are followed within the reuse time.
const MAX_STEPS: usize = 64;

/// The client that uses a refresh token, and the seed from which the next pair is derived.
struct RefreshingClient {
    seed: NextSeed,
    /// Its network; `None` if its address could not be read, so that it matches nobody else.
    from: Option<String>,
    /// Its user agent.
    with: String,
    /// How long the token may be reused; zero means never.
    reuse: Duration,
}

/// The result of a refresh.
#[derive(Debug, Clone, Copy)]
enum Refreshed {
    /// When the family ends, and when the token expires.
    Done { family_ends: Time, token_ends: Time },
    /// The same client used it a moment ago: its pair is derived from this seed.
    Again(NextSeed),
    /// No such refresh token, or an expired one.
    Unknown,
    /// It was already used: someone has a copy, so the whole family was revoked.
    Reused,
}

/// The state of the pair that a refresh token belongs to.
#[derive(Debug)]
enum Pair {
    /// The pair is the one that is valid now.
    Current {
        prefix: KeyPrefix,
        token_ends: Time,
        family_ends: Time,
    },
    /// Another pair replaced it a moment ago.
    Replaced(NextSeed),
    Over,
}

/// Replaces the current token of a family with the next one. A reused refresh token is not an error here, so that the
/// transaction commits and the family is deleted.
fn refresh(tx: &Tx<'_>, by: &By, presented: &Digest, new: &NewToken, client: &RefreshingClient) -> Result<Refreshed> {
    prune(tx, by.at)?;
    // Seeds are kept only for the reuse time.
    tx.forget_seeds(by.at.minus(client.reuse), by.at.plus(SKEW))?;
    let Some(found) = tx.refresh_token(presented)? else { return Ok(Refreshed::Unknown) };
    // A family may have lost its token, or the token's id, by a manual edit of the database.
    let Some(old) = tx.key(found.token, Reach::Anyone)? else { return Ok(Refreshed::Unknown) };
    if found.is_used {
        if let Some(seed) = seed_for(&found, client, by.at) {
            return Ok(Refreshed::Again(seed));
        }
        log(tx, by, Action::TokenReused, &old)?;
        keys::revoke(tx, by, &old)?;
        return Ok(Refreshed::Reused);
    }
    if !is_current(&found, by.at) || !old.owner_active || !old.enabled {
        return Ok(Refreshed::Unknown);
    }
    tx.set_refresh_token_used(presented, &use_of(client, by.at))?;
    tx.set_family_token(found.family, new.id)?;
    tx.delete_key(old.id)?;
    let new = NewToken { expires_at: new.expires_at.min(found.family_expires_at), ..new.clone() };
    put_token(tx, by, found.family, old.owner.id, &old.settings.scopes, &new)?;
    log(tx, &by_owner(by, &old), Action::TokenRefreshed, &keys::find(tx, new.id, Reach::Anyone)?)?;
    Ok(Refreshed::Done { family_ends: found.family_expires_at, token_ends: new.expires_at })
}

fn by_owner(by: &By, token: &KeyRecord) -> By {
    let actor = Actor::User { id: token.owner.id, email: token.owner.email.to_string() };
    By { origin: Origin { actor, ..by.origin.clone() }, at: by.at }
}

fn use_of(client: &RefreshingClient, at: Time) -> RefreshUse<'_> {
    let may_come_again = !client.reuse.is_zero();
    RefreshUse {
        at,
        seed: may_come_again.then_some(client.seed),
        from: client.from.as_deref().filter(|_| may_come_again),
        with: may_come_again.then_some(&client.with),
    }
}

fn pair_of(tx: &Tx<'_>, refresh: &Digest, reuse: Duration, now: Time) -> Result<Pair> {
    let Some(found) = tx.refresh_token(refresh)?.filter(|found| is_current(found, now)) else { return Ok(Pair::Over) };
    if found.is_used {
        return Ok(recent_seed(&found, reuse, now).map_or(Pair::Over, Pair::Replaced));
    }
    let Some(token) = tx.key(found.token, Reach::Anyone)? else { return Ok(Pair::Over) };
    let prefix = token.prefix.as_deref().and_then(|text| KeyPrefix::parse(text).ok());
    let is_live = token.enabled && token.owner_active && !token.is_expired(now);
    Ok(match (prefix, token.settings.expires_at) {
        (Some(prefix), Some(token_ends)) if is_live => {
            Pair::Current { prefix, token_ends, family_ends: found.family_expires_at }
        }
        _ => Pair::Over,
    })
}

/// Whether its family can be refreshed.
fn is_current(found: &RefreshTokenRow, now: Time) -> bool {
    now < found.family_expires_at && !found.family_created_at.is_ahead_of(now)
}

fn recent_seed(found: &RefreshTokenRow, reuse: Duration, now: Time) -> Option<NextSeed> {
    let at = found.used_at?;
    // Checked in both directions: setting the clock back must not extend the reuse time.
    let is_recent = now.since(at) < reuse && at.since(now) < reuse;
    found.seed.filter(|_| is_recent)
}

/// A client may change its network or its version between two attempts, but is unlikely to change both.
fn seed_for(found: &RefreshTokenRow, client: &RefreshingClient, now: Time) -> Option<NextSeed> {
    let is_there = found.used_from.is_some() && found.used_from == client.from;
    let is_same_client = is_there || found.used_with.as_ref() == Some(&client.with);
    recent_seed(found, client.reuse, now).filter(|_| is_same_client && is_current(found, now))
}

impl Auth {
    pub async fn refresh_token(&self, presented: &str, user_agent: &str, origin: Origin) -> Result<Issued> {
        let refused = || Error::invalid("refresh_token", REFUSED);
        if !PlainKey::is_well_formed(presented.as_bytes()) {
            return Err(refused());
        }
        let digest = Digest::of(presented.as_bytes());
        // Guesses never reach the writer.
        if self.store.read(move |tx| tx.refresh_token(&digest)).await?.is_none() {
            return Err(refused());
        }
        let seed = NextSeed::new(self.entropy.bytes()?);
        let (by, fresh) = (self.by(&origin), self.next_pair(presented, &seed)?);
        let now = by.at;
        let client = RefreshingClient {
            seed,
            from: origin.address.filter(|address| address.known().is_some()).map(|it| it.neighbourhood().to_string()),
            with: foreign_text::user_agent(user_agent.as_bytes()),
            reuse: self.refresh_reuse,
        };
        let new = fresh.row(now);
        let refreshed = self.act(Urgency::Ordinary, by, move |tx, by| refresh(tx, by, &digest, &new, &client));
        match refreshed.await? {
            Refreshed::Done { family_ends, token_ends } => Ok(fresh.issued(now, token_ends, family_ends)),
            Refreshed::Again(seed) => self.same_pair(presented, seed, now).await?.ok_or_else(refused),
            Refreshed::Unknown | Refreshed::Reused => Err(refused()),
        }
    }

    fn next_pair(&self, presented: &str, seed: &NextSeed) -> Result<Fresh> {
        let prefix = self.prefix_of(None)?;
        Ok(Fresh {
            id: KeyId::new(self.now(), self.entropy.bytes()?),
            token: PlainKey::generate(&prefix, &seed.token_secret(presented)),
            refresh: RefreshToken::generate(&seed.refresh_secret(presented))?,
            lifetime: self.token_lifetime,
            prefix,
        })
    }

    /// Of the pairs that followed from this refresh token, the one that is valid now; `None` if none is.
    async fn same_pair(&self, presented: &str, mut seed: NextSeed, now: Time) -> Result<Option<Issued>> {
        let mut presented = presented.to_owned();
        for _ in 0..MAX_STEPS {
            let refresh = RefreshToken::generate(&seed.refresh_secret(&presented))?;
            let (digest, reuse) = (refresh.digest(), self.refresh_reuse);
            match self.store.read(move |tx| pair_of(tx, &digest, reuse, now)).await? {
                Pair::Current { prefix, token_ends, family_ends } => {
                    return Ok(Some(Issued {
                        token: PlainKey::generate(&prefix, &seed.token_secret(&presented)),
                        expires_in: token_ends.since(now.whole_second()),
                        refresh,
                        refresh_expires_in: family_ends.since(now.whole_second()),
                    }));
                }
                Pair::Replaced(next) => {
                    presented = refresh.expose().to_owned();
                    seed = next;
                }
                Pair::Over => return Ok(None),
            }
        }
        Ok(None)
    }
}
