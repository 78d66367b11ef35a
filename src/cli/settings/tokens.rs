//! Settings of tokens, and of the keys that sign them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use super::given::{Given, set};
use crate::auth::AuthSettings;
use crate::error::{Error, Result};
use crate::http::is_resource;
use crate::model::SigningAlgorithm;
use crate::model::token::{MAX_REFRESH_REUSE, MAX_TOKEN_LIFETIME};
use crate::signing::MAX_JWT_LIFETIME;

const MIN_ROTATION_INTERVAL: Duration = Duration::from_secs(3600);

#[derive(Debug, Default, Args, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct TokensSection {
    /// Lifetime of tokens from POST /api/v1/tokens, max 24h [default: 1h]
    #[arg(long, env = "KEYBEARER_TOKEN_LIFETIME", value_name = "SPAN")]
    token_lifetime: Option<Given>,
    /// How long a reused refresh token still gets the same answer, max 5m; 0 turns this off [default: 10s]
    #[arg(long, env = "KEYBEARER_REFRESH_REUSE", value_name = "SPAN")]
    refresh_reuse: Option<Given>,
    /// Lifetime of OAuth tokens, max 1h [default: 10m]
    #[arg(long, env = "KEYBEARER_ACCESS_TOKEN_LIFETIME", value_name = "SPAN")]
    access_token_lifetime: Option<Given>,
    /// Default audience of OAuth tokens, for clients that name no resource [default: the public URL]
    #[arg(long, env = "KEYBEARER_ACCESS_TOKEN_AUDIENCE", value_name = "URI")]
    access_token_audience: Option<Given>,
    /// Signature algorithm of OAuth tokens: RS256 or EdDSA [default: RS256]
    #[arg(long, env = "KEYBEARER_ACCESS_TOKEN_ALGORITHM", value_name = "ALG")]
    access_token_algorithm: Option<Given>,
    /// Signature algorithm of X-Auth-Identity: RS256 or EdDSA [default: EdDSA]
    #[arg(long, env = "KEYBEARER_IDENTITY_ALGORITHM", value_name = "ALG")]
    identity_algorithm: Option<Given>,
    /// Sign with the keys in this file (PEM) instead of keybearer.db-signing
    #[arg(long, env = "KEYBEARER_SIGNING_KEYS", value_name = "FILE")]
    signing_keys: Option<Given>,
    /// With PostgreSQL: file with the secret that seals the nodes' signing keys in the database; on every node the same
    #[arg(long, env = "KEYBEARER_SECRET_FILE", value_name = "FILE")]
    secret_file: Option<Given>,
    /// How long a signing key is used before the next one replaces it; use never to turn rotation off [default: 90d]
    #[arg(long, env = "KEYBEARER_SIGNING_ROTATION", value_name = "SPAN")]
    signing_rotation: Option<Given>,
}

impl TokensSection {
    /// `keybearer signing-keys` needs this too.
    pub fn signing_keys(&self) -> Result<Option<PathBuf>> {
        self.signing_keys.as_ref().map(Given::path).transpose()
    }

    /// `keybearer signing-keys` needs this too.
    pub fn secret_file(&self) -> Result<Option<PathBuf>> {
        self.secret_file.as_ref().map(Given::path).transpose()
    }

    pub fn apply(&self, auth: &mut AuthSettings) -> Result<()> {
        set(&mut auth.token_lifetime, &self.token_lifetime, |given| {
            given.span(|span| span <= MAX_TOKEN_LIFETIME, "write a time span up to 24h, such as 1h.")
        })?;
        set(&mut auth.refresh_reuse, &self.refresh_reuse, refresh_reuse)?;
        let signing = &mut auth.signing;
        signing.file = self.signing_keys()?;
        signing.secret = self.secret_file()?;
        set(&mut signing.rotation, &self.signing_rotation, rotation)?;
        let algorithm = |given: &Given| given.parse(SigningAlgorithm::parse);
        set(&mut signing.token_algorithm, &self.access_token_algorithm, algorithm)?;
        set(&mut signing.identity_algorithm, &self.identity_algorithm, algorithm)?;
        set(&mut signing.token_lifetime, &self.access_token_lifetime, |given| {
            given.span(|span| span <= MAX_JWT_LIFETIME, "write a time span up to 1h, such as 10m.")
        })?;
        set(&mut signing.token_audience, &self.access_token_audience, |given| given.parse(audience).map(Some))
    }
}

fn refresh_reuse(given: &Given) -> Result<Duration> {
    match given.text()? {
        "0" | "0s" => Ok(Duration::ZERO),
        _ => given.span(|span| span <= MAX_REFRESH_REUSE, "write a time span up to 5m, such as 10s, or 0."),
    }
}

fn rotation(given: &Given) -> Result<Option<Duration>> {
    if given.text()? == "never" {
        return Ok(None);
    }
    let rule = "write a time span of at least 1h, such as 90d, or write never.";
    given.span(|span| span >= MIN_ROTATION_INTERVAL, rule).map(Some)
}

/// The same rule as for a resource that a client names: both end up in the same claim.
fn audience(text: &str) -> Result<String> {
    let rule = "write an absolute URI without a fragment, such as https://api.example.com or urn:example:api.";
    if is_resource(text) { Ok(text.to_owned()) } else { Err(Error::invalid("usage", rule)) }
}
