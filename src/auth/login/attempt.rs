//! One password attempt: known or unknown visitor, throttled or not, right or wrong. An unknown email, a wrong password
//! and a deactivated user take the same steps, the same number of writes and the same time, and get the same answer.

use std::sync::Arc;

use futures_executor::block_on;

use super::throttle::{self, Buckets, Cleared, Known};
use super::{devices, refused};
use crate::ambient::Clock;
use crate::auth::Auth;
use crate::auth::by::By;
use crate::auth::passwords::{Hasher, Lane, Match};
use crate::error::{Error, Result};
use crate::model::{Actor, Authority, ClientAddress, Digest, Email, Origin, Password, SessionToken, User};
use crate::store::{Store, Tx, Urgency};

pub const WRONG: &str = "Incorrect email or password.";

/// A user whose password was right when it was checked.
pub(in crate::auth) struct Proved {
    pub user: User,
    /// The hash that was compared, or its replacement for the same password.
    hash: String,
    buckets: Buckets,
    address: ClientAddress,
}

impl Proved {
    /// How the success changes the counts of failures.
    pub fn cleared(&self) -> Cleared {
        self.buckets.cleared()
    }

    /// The mark by which the address is known for this account from now on, if the address could be read.
    pub fn address_mark(&self) -> Option<Digest> {
        throttle::address_mark(&self.user.email, self.address)
    }

    /// The origin for acts that this password authorises; it is checked again inside their transaction.
    pub fn origin(&self, of: &Origin) -> Origin {
        Origin {
            actor: Actor::User { id: self.user.id, email: self.user.email.to_string() },
            authority: Authority::Password { user: self.user.id, hash: self.hash.clone() },
            ..of.clone()
        }
    }
}

impl Auth {
    /// The user with this email and password. Every sign-in with a password uses this function, so a second factor can
    /// be required here, once, for all of them.
    pub(in crate::auth) async fn check_password(
        &self,
        typed: &str,
        password: Password,
        device: Option<&SessionToken>,
        origin: &Origin,
    ) -> Result<Proved> {
        let email = Email::parse(typed).ok();
        let address = origin.address.unwrap_or(ClientAddress::Unknown);
        let known = match &email {
            Some(email) => self.known(email, address, device).await?,
            None => Known::No,
        };
        let lane = match known {
            Known::No => Lane::Stranger(address.neighbourhood()),
            Known::Browser(mark) => Lane::Known(mark),
            Known::Address => Lane::Known(Digest::of(email.as_ref().map_or("", Email::as_str).as_bytes())),
        };
        let buckets = Buckets::of(email.as_ref(), address, known);
        // A throttled visitor takes no place in the queue, and nothing is written.
        let (now, counted) = (self.now(), buckets.clone());
        let held = self.store.read(move |tx| throttle::held(tx, &counted, now)).await?;
        // Failures dated in the future were counted before the clock was set back; only a write can correct them.
        if held.iter().all(|failures| failures.last_at <= now) {
            buckets.judge(&held, now).map_err(Error::throttled)?;
        }
        let attempt = Attempt {
            email,
            password,
            buckets,
            address,
            origin: origin.clone(),
            nobody: self.passwords.nobody()?,
            salt: self.entropy.bytes()?,
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
        };
        self.passwords.run(lane, move |hasher| attempt.run(hasher)).await
    }

    async fn known(&self, email: &Email, address: ClientAddress, device: Option<&SessionToken>) -> Result<Known> {
        if let Some(device) = device
            && self.has_signed_in(device.digest(), email).await?
        {
            return Ok(Known::Browser(device.digest()));
        }
        let Some(mark) = throttle::address_mark(email, address) else { return Ok(Known::No) };
        Ok(if self.has_signed_in(mark, email).await? { Known::Address } else { Known::No })
    }

    async fn has_signed_in(&self, mark: Digest, email: &Email) -> Result<bool> {
        let (email, now) = (email.clone(), self.now());
        self.store.read(move |tx| devices::is_known(tx, &mark, &email, now)).await
    }

    /// The answer if the password was changed, or its user deactivated, during the check: the same as for a wrong
    /// password.
    pub(in crate::auth) async fn outrun(&self, user: &User, origin: &Origin) -> Result<Error> {
        let (by, email) = (self.by(origin), user.email.clone());
        self.store.write(Urgency::Ordinary, move |tx| refused::note(tx, &by, Some(&email))).await?;
        Ok(wrong())
    }
}

/// The work on a password thread, which runs to its end even if nobody waits for the answer: every counted attempt
/// compares a password, and every comparison is counted.
struct Attempt {
    email: Option<Email>,
    password: Password,
    buckets: Buckets,
    address: ClientAddress,
    origin: Origin,
    /// The hash that is compared if the account does not exist.
    nobody: Arc<str>,
    /// The salt for a stronger hash, if the stored one is weak.
    salt: [u8; 16],
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
}

impl Attempt {
    fn run(self, hasher: &mut Hasher) -> Result<Proved> {
        let found = match &self.email {
            Some(email) => self.credentials(email)?,
            None => None,
        };
        let named = found.as_ref().map(|(user, _)| user.email.clone());
        let candidate = match found {
            Some((user, Some(stored))) if user.active => Some((user, stored)),
            _ => None,
        };
        // Everything on our side that can fail must fail before the attempt is counted.
        let comparison = hasher.prepare(candidate.as_ref().map_or(&self.nobody, |(_, stored)| stored))?;
        let hidden_wait = self.count()?;
        let outcome = hasher.compare(self.password.expose().as_bytes(), &comparison)?;
        let Some((user, stored)) = candidate.filter(|_| outcome != Match::No) else {
            let by = By { origin: self.origin, at: self.clock.now() };
            block_on(self.store.write(Urgency::Ordinary, move |tx| refused::note(tx, &by, named.as_ref())))?;
            return Err(hidden_wait.map_or_else(wrong, Error::throttled));
        };
        let hash = if outcome == Match::YesOutdated { self.strengthen(hasher, &user, stored)? } else { stored };
        Ok(Proved { user, hash, buckets: self.buckets, address: self.address })
    }

    /// The user and the password's hash; `None` for an unknown email.
    fn credentials(&self, email: &Email) -> Result<Option<(User, Option<String>)>> {
        let email = email.clone();
        block_on(self.store.read(move |tx| tx.credentials(&email)))
    }

    /// Counts this attempt, or fails with the time to wait. Returns how long an unknown visitor would have had to wait.
    fn count(&self) -> Result<Option<std::time::Duration>> {
        let (now, buckets) = (self.clock.now(), self.buckets.clone());
        let count = move |tx: &Tx<'_>| throttle::count_try(tx, &buckets, now);
        let failures = block_on(self.store.write(Urgency::Ordinary, count))?.map_err(Error::throttled)?;
        Ok(self.buckets.hidden_wait(&failures, now))
    }

    /// The hash of this password that is stored from now on.
    fn strengthen(&self, hasher: &mut Hasher, user: &User, old: String) -> Result<String> {
        let password = self.password.expose().as_bytes();
        let new = hasher.hash(password, &self.salt)?;
        let (id, replacement) = (user.id, new.clone());
        let replace = move |tx: &Tx<'_>| tx.replace_password_hash(id, &old, &replacement);
        if block_on(self.store.write(Urgency::Ordinary, replace))? {
            return Ok(new);
        }
        // Another sign-in with the same password, or a new password, has replaced the hash meanwhile.
        let stored = self.credentials(&user.email)?.and_then(|(_, stored)| stored);
        let Some(stored) = stored else { return Err(wrong()) };
        let comparison = hasher.prepare(&stored)?;
        if hasher.compare(password, &comparison)? == Match::No { Err(wrong()) } else { Ok(stored) }
    }
}

pub(in crate::auth) fn wrong() -> Error {
    Error::invalid("password", WRONG)
}
