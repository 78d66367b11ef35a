//! The settings, section by section. In a section's struct each setting is written once, with its flag, variable, help
//! and key in the settings file; `apply` turns it into a plain value. Precedence: flag, environment, settings file,
//! default. An error names the setting as it was given.

mod database;
mod environment;
mod file;
mod given;
mod keys;
mod known;
mod layer;
mod policy;
mod server;
mod tls;
mod tokens;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Args, Command};
use serde::Deserialize;

use crate::auth::AuthSettings;
use crate::commands::serve::ServeSettings;
use crate::error::{Error, Result};
use crate::model::KeyPrefix;
pub use database::DatabaseSection;
pub use environment::documented;

use environment::Environment;
use file::SettingsFile;
use keys::KeysSection;
use known::known;
use layer::Layer;
use policy::PolicySection;
use server::ServerSection;
use tls::TlsSection;
use tokens::TokensSection;

// The sections that are flags of `serve`. (A doc comment would become the command's description.)
#[derive(Debug, Default, Args, Deserialize)]
pub struct ServeSections {
    #[command(flatten)]
    #[serde(flatten)]
    server: ServerSection,
    #[command(flatten)]
    #[serde(flatten)]
    tls: TlsSection,
    #[command(flatten)]
    #[serde(flatten)]
    keys: KeysSection,
    #[command(flatten)]
    #[serde(flatten)]
    tokens: TokensSection,
}

/// The effective settings. A value is parsed when it is needed.
pub struct Settings {
    pub database: DatabaseSection,
    serve: ServeSections,
    policy: PolicySection,
    given: Layer,
    /// The settings file, for messages.
    file: String,
}

impl Settings {
    /// `command` defines the settings, `matches` has the flags, and `config` is the value of `--config`.
    pub fn resolve(command: &Command, matches: &ArgMatches, config: Option<PathBuf>) -> Result<Self> {
        let known = known(command);
        let environment = Environment::read(command, std::env::vars_os())?;
        let file = SettingsFile::find(&known, config.as_deref(), environment.config.as_deref())?;
        let given = Layer::flags(&known, matches).over(environment.settings).over(file.settings);
        let (database, serve) = (given.sections()?, given.sections()?);
        Ok(Settings { database, serve, policy: file.policy, given, file: file.shown })
    }

    pub fn serve(&self) -> Result<ServeSettings> {
        let ServeSections { server, tls, keys, tokens } = &self.serve;
        let mut http = server.http(tls.files()?)?;
        http.policies = self.policy.policies(&self.file)?;
        let mut auth = AuthSettings::default();
        keys.apply(&mut auth)?;
        tokens.apply(&mut auth)?;
        Ok(ServeSettings { auth, http })
    }

    pub fn lease(&self) -> Result<Duration> {
        self.serve.server.lease()
    }

    pub fn prefixes(&self) -> Result<Vec<KeyPrefix>> {
        self.serve.keys.prefixes()
    }

    pub fn signing_keys(&self) -> Result<Option<PathBuf>> {
        self.serve.tokens.signing_keys()
    }

    pub fn secret_file(&self) -> Result<Option<PathBuf>> {
        self.serve.tokens.secret_file()
    }

    /// Names each setting in the error as it was given.
    pub fn as_given(&self, error: Error) -> Error {
        self.given.as_given(error)
    }
}
