//! A refresh token against the next pair. A client may send one twice at once, or again because the answer
//! was lost: for some seconds it gets the same pair again, and nothing is revoked. Later it was copied.

use super::Auth;
use super::tokens::{Fresh, Issued};
use crate::error::{Error, Result};
use crate::model::token::{NextSeed, RefreshToken};
use crate::model::{Digest, KeyId, Origin, PlainKey, Time, foreign_text};
use crate::store::{Pair, RefreshUse, Refreshed};

pub const REFUSED: &str = "This refresh token is not valid. Ask for a token with e-mail and password.";

/// How many pairs that followed from one another within the seconds are gone through.
const MOST_STEPS: usize = 64;

impl Auth {
    pub async fn refresh_token(&self, presented: &str, user_agent: &str, origin: Origin) -> Result<Issued> {
        let refused = || Error::invalid("refresh_token", REFUSED);
        if !PlainKey::is_well_formed(presented.as_bytes()) {
            return Err(refused());
        }
        let digest = Digest::of(presented.as_bytes());
        if !self.store.knows_refresh_token(digest).await? {
            return Err(refused());
        }
        let seed = NextSeed::new(self.entropy.bytes()?);
        let (now, fresh) = (self.now(), self.next_pair(presented, &seed)?);
        let used = RefreshUse {
            at: now,
            seed,
            from: origin.address.filter(|address| address.known().is_some()).map(|it| it.neighbourhood().to_string()),
            with: foreign_text::user_agent(user_agent.as_bytes()),
            reuse: self.refresh_reuse,
        };
        match self.store.refresh_token(digest, fresh.row(now), used, now, origin).await? {
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

    /// The pair that is good now, of those that followed from this refresh token. `None`: none is.
    async fn same_pair(&self, presented: &str, mut seed: NextSeed, now: Time) -> Result<Option<Issued>> {
        let mut presented = presented.to_owned();
        for _ in 0..MOST_STEPS {
            let refresh = RefreshToken::generate(&seed.refresh_secret(&presented))?;
            match self.store.pair_of_refresh(refresh.digest(), self.refresh_reuse, now).await? {
                Pair::Good { prefix, token_ends, family_ends } => {
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
