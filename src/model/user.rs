//! People: who may sign in, and with which role.

use super::{Email, Time, UserId, Version};
use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Member,
    Admin,
}

impl Role {
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "member" => Ok(Role::Member),
            "admin" => Ok(Role::Admin),
            _ => Err(Error::invalid("role", "Choose a role: member or admin.")),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Admin => "admin",
        }
    }
}

#[derive(Debug, Clone)]
pub struct User {
    pub id: UserId,
    pub email: Email,
    pub role: Role,
    pub active: bool,
    pub created_at: Time,
    pub last_login_at: Option<Time>,
    pub keys: u64,
    /// The fields whose stored value breaks a rule, by their API names; see [`super::KeyRecord`]. An unreadable role
    /// counts as member.
    pub unreadable: Vec<&'static str>,
}

impl User {
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// Whether deactivating would change anything. A user with an unreadable state is refused, but is not yet
    /// deactivated.
    pub fn may_be_active(&self) -> bool {
        self.active || self.unreadable.contains(&"active")
    }

    /// The version of everything that can be changed and seen; neither a sign-in nor a new key changes it.
    pub fn version(&self) -> Version {
        Version::of(&[&self.id.to_string(), self.email.as_str(), self.role.as_str(), &self.active.to_string()])
    }
}

/// A change to a user; `None` leaves a field unchanged.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    pub role: Option<Role>,
    pub active: Option<bool>,
}

impl UserChange {
    /// Whether it takes something away from this user.
    pub fn withdraws_from(&self, user: &User) -> bool {
        (user.active && self.active == Some(false)) || (user.is_admin() && self.role == Some(Role::Member))
    }

    /// Whether it can only take away, so that it must not fail on a full disk.
    pub fn only_withdraws(&self) -> bool {
        self.active != Some(true) && self.role != Some(Role::Admin)
    }
}
