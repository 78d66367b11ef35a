//! Argon2id (RFC 9106) in memory that a thread reuses. The library's own functions allocate memory for each hash.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, Version};

use super::memory::Memory;
use crate::error::{Error, Result};

/// The result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    No,
    Yes,
    /// The password is right, but hashed with weaker parameters than today's.
    YesOutdated,
}

#[derive(Default)]
pub struct Hasher {
    memory: Memory,
}

/// A stored hash, ready to compare, and the memory for it.
pub struct Comparison {
    stored: PasswordHash,
    argon2: Argon2<'static>,
}

impl Hasher {
    /// Returns a PHC string. Argon2id, m = 19 MiB, t = 2, p = 1: the crate's defaults, which are OWASP's.
    pub fn hash(&mut self, password: &[u8], salt: &[u8; 16]) -> Result<String> {
        let argon2 = Argon2::default();
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        self.fill(&argon2, password, salt, &mut output)?;
        let hash = PasswordHash {
            algorithm: Algorithm::default().ident(),
            version: Some(Version::default().into()),
            params: ParamsString::try_from(argon2.params()).map_err(cannot)?,
            salt: Some(Salt::new(salt).map_err(cannot)?),
            hash: Some(Output::new(&output).map_err(cannot)?),
        };
        Ok(hash.to_string())
    }

    /// Parses a stored hash (PHC string); anything that is wrong with it is detected here.
    pub fn prepare(&mut self, stored: &str) -> Result<Comparison> {
        let damaged = |what: String| Error::internal(format!("a stored password hash is damaged: {what}"));
        let stored = PasswordHash::new(stored).map_err(|error| damaged(error.to_string()))?;
        if stored.salt.is_none() || stored.hash.is_none() {
            return Err(damaged("it has no salt or no output".into()));
        }
        let algorithm = Algorithm::try_from(stored.algorithm.as_str()).map_err(|error| damaged(error.to_string()))?;
        let version = stored.version.map_or(Ok(Version::default()), Version::try_from);
        let version = version.map_err(|error| damaged(error.to_string()))?;
        let params = Params::try_from(&stored).map_err(|error| damaged(error.to_string()))?;
        self.memory.reserve(params.block_count())?;
        Ok(Comparison { stored, argon2: Argon2::new(algorithm, version, params) })
    }

    pub fn compare(&mut self, password: &[u8], with: &Comparison) -> Result<Match> {
        let (Some(salt), Some(expected)) = (&with.stored.salt, &with.stored.hash) else { return Ok(Match::No) };
        let mut output = [0; Output::MAX_LENGTH];
        let output =
            output.get_mut(..expected.len()).ok_or_else(|| Error::internal("a hash has an impossible length"))?;
        self.fill(&with.argon2, password, salt, output)?;
        // The library's comparison, in constant time.
        let is_same = Output::new(output).map_err(cannot)? == *expected;
        let (ours, theirs) = (Params::default(), with.argon2.params());
        let is_outdated = theirs.m_cost() < ours.m_cost() || theirs.t_cost() < ours.t_cost();
        Ok(match (is_same, is_outdated) {
            (false, _) => Match::No,
            (true, false) => Match::Yes,
            (true, true) => Match::YesOutdated,
        })
    }

    pub(super) fn holds_memory(&self) -> bool {
        self.memory.is_held()
    }

    pub(super) fn release_memory(&mut self) {
        self.memory.release();
    }

    fn fill(&mut self, argon2: &Argon2<'_>, password: &[u8], salt: &[u8], output: &mut [u8]) -> Result<()> {
        self.memory.reserve(argon2.params().block_count())?;
        argon2.hash_password_into_with_memory(password, salt, output, self.memory.blocks()).map_err(cannot)
    }
}

fn cannot(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("cannot hash a password: {error}"))
}

#[cfg(test)]
mod tests {
    use argon2::{PasswordHasher, PasswordVerifier};

    use super::*;

    #[test]
    fn hashes_equal_those_of_the_argon2_crate() {
        let (salt, password) = ([7; 16], b"correct horse battery staple".as_slice());
        let ours = Hasher::default().hash(password, &salt).unwrap();
        let theirs = Argon2::default().hash_password_with_salt(password, &salt).unwrap();
        assert_eq!(ours, theirs.to_string());
        assert!(Argon2::default().verify_password(password, &PasswordHash::new(&ours).unwrap()).is_ok());
    }

    #[test]
    fn hashes_with_any_parameters_are_compared_in_the_same_memory() {
        let mut hasher = Hasher::default();
        let mut compare = |stored: &str, password: &[u8]| {
            let comparison = hasher.prepare(stored).unwrap();
            hasher.compare(password, &comparison).unwrap()
        };
        for (memory, passes, lanes, length, expected) in [
            (19_456, 2, 1, 32, Match::Yes),
            (64, 1, 1, 16, Match::YesOutdated),
            (47_104, 2, 2, 64, Match::Yes),
            (19_456, 1, 1, 32, Match::YesOutdated),
        ] {
            let params = Params::new(memory, passes, lanes, Some(length)).unwrap();
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let stored = argon2.hash_password_with_salt(b"right", &[1; 16]).unwrap().to_string();
            assert_eq!(compare(&stored, b"right"), expected, "{stored}");
            assert_eq!(compare(&stored, b"wrong"), Match::No, "{stored}");
        }
    }

    #[test]
    fn a_damaged_hash_is_an_internal_error_and_not_a_mismatch() {
        let mut hasher = Hasher::default();
        for stored in
            ["", "$argon2id$", "plain", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ", "$5$rounds=5000$salt$hash"]
        {
            assert_eq!(hasher.prepare(stored).err().unwrap().kind, crate::error::Kind::Internal, "{stored}");
        }
    }
}
