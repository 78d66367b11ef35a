//! Policies: `[policy.orders-read]` in the settings file. They are too large for a flag or a variable.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::model::{Policies, Policy};

/// The only key of the settings file that is not the name of a flag.
pub const POLICY: &str = "policy";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PolicySection {
    policy: BTreeMap<String, PolicyTable>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PolicyTable {
    scopes: Vec<String>,
    anonymous: bool,
    identity: bool,
    preflight: bool,
}

impl PolicySection {
    /// `file` is the settings file's name.
    pub fn policies(&self, file: &str) -> Result<Policies> {
        let wrong =
            |place: &str, error: Error| Error::invalid("usage", format!("{place} in {file}: {}", error.message));
        let policies = self.policy.iter().map(|(name, table)| {
            let policy = table.policy().map_err(|error| wrong(&format!("policy.{name}, scopes"), error))?;
            Ok((name.clone(), policy))
        });
        Policies::parse(policies.collect::<Result<Vec<_>>>()?).map_err(|error| wrong(POLICY, error))
    }
}

impl PolicyTable {
    fn policy(&self) -> Result<Policy> {
        let policy = Policy::parse(self.scopes.iter().map(String::as_str), self.anonymous)?;
        let policy = if self.identity { policy.with_identity() } else { policy };
        Ok(if self.preflight { policy.with_preflight() } else { policy })
    }
}
