//! A one-time link with which a person chooses a password. An admin makes it and passes it on.

use std::time::Duration;

use super::Time;

/// What the link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// The first password of somebody who was added.
    Invitation,
    /// A new password in place of a forgotten one.
    Reset,
}

impl LinkPurpose {
    pub fn as_str(self) -> &'static str {
        match self {
            LinkPurpose::Invitation => "invitation",
            LinkPurpose::Reset => "reset",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [LinkPurpose::Invitation, LinkPurpose::Reset].into_iter().find(|purpose| purpose.as_str() == text)
    }

    /// How long the link works.
    pub fn lifetime(self) -> Duration {
        match self {
            LinkPurpose::Invitation => Duration::from_secs(3 * 86_400),
            LinkPurpose::Reset => Duration::from_secs(86_400),
        }
    }

    /// The link's path, below the public URL.
    pub fn path(self) -> &'static str {
        match self {
            LinkPurpose::Invitation => "/invitation",
            LinkPurpose::Reset => "/reset",
        }
    }
}

/// A link as stored, without its secret.
#[derive(Debug, Clone, Copy)]
pub struct PersonLink {
    pub purpose: LinkPurpose,
    pub expires_at: Time,
}
