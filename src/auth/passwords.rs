//! Password hashing: Argon2id on as many threads as cores and a short queue, so that log-ins can
//! starve neither verification nor memory (19 MiB a hash).

use std::num::NonZero;
use std::thread;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};

use crate::ambient::{Entropy, Pool};
use crate::error::{Error, Result};
use crate::model::Password;

/// Log-ins that wait for a thread; one more is answered 503 at once.
const WAITING: usize = 64;

pub struct Passwords {
    pool: Pool<()>,
    /// Of a random password: what an unknown e-mail is checked against, so that it takes as long.
    nobody: String,
}

/// How a password compared.
#[derive(Debug, PartialEq, Eq)]
pub enum Match {
    No,
    Yes,
    /// Yes, but hashed with weaker parameters than today's.
    YesOutdated,
}

impl Passwords {
    pub fn start(entropy: &dyn Entropy) -> Result<Self> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(4);
        let nobody = hash(&entropy.bytes::<32>()?, &entropy.bytes()?)?;
        Ok(Passwords { pool: Pool::start("passwords", WAITING, vec![(); threads])?, nobody })
    }

    /// PHC string with a fresh salt of 128 bits.
    pub async fn hash(&self, password: Password, salt: [u8; 16]) -> Result<String> {
        self.pool.run(move |()| hash(password.expose().as_bytes(), &salt)).await
    }

    /// `stored: None` takes as long as any and never matches.
    pub async fn check(&self, password: Password, stored: Option<String>) -> Result<Match> {
        let exists = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        self.pool
            .run(move |()| {
                let parsed = PasswordHash::new(&stored)
                    .map_err(|error| Error::internal(format!("a stored password hash is damaged: {error}")))?;
                let is_same = Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok();
                Ok(match (exists && is_same, is_outdated(&parsed)) {
                    (false, _) => Match::No,
                    (true, false) => Match::Yes,
                    (true, true) => Match::YesOutdated,
                })
            })
            .await
    }
}

/// Argon2id, m = 19 MiB, t = 2, p = 1: the crate's defaults, which are OWASP's.
fn hash(password: &[u8], salt: &[u8; 16]) -> Result<String> {
    let hash = Argon2::default().hash_password_with_salt(password, salt);
    hash.map(|hash| hash.to_string()).map_err(|error| Error::internal(format!("cannot hash a password: {error}")))
}

fn is_outdated(hash: &PasswordHash) -> bool {
    let ours = argon2::Params::default();
    match argon2::Params::try_from(hash) {
        Ok(params) => params.m_cost() < ours.m_cost() || params.t_cost() < ours.t_cost(),
        Err(_) => true,
    }
}
