//! People: who may log in, and as what.

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
            _ => Err(Error::invalid("role", "A role is member or admin.")),
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
    /// The fields whose stored value breaks a rule, by their names in the API; see [`super::KeyRecord`]. An unreadable
    /// role is that of a member.
    pub unreadable: Vec<&'static str>,
}

impl User {
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// Whether deactivating is worth writing: a state that cannot be read is refused, and yet is not that of
    /// somebody deactivated.
    pub fn may_be_active(&self) -> bool {
        self.active || self.unreadable.contains(&"active")
    }

    /// Of everything that can be changed and seen; logging in is no change, nor is having a key.
    pub fn version(&self) -> Version {
        Version::of(&[&self.id.to_string(), self.email.as_str(), self.role.as_str(), &self.active.to_string()])
    }
}

/// What shall be different about a user; `None` leaves a part as it is.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    pub role: Option<Role>,
    pub active: Option<bool>,
}

impl UserChange {
    /// Whether it takes something from this user.
    pub fn withdraws_from(&self, user: &User) -> bool {
        (user.active && self.active == Some(false)) || (user.is_admin() && self.role == Some(Role::Member))
    }

    /// Whether it can only take away, so that it must not wait for space on a full disk.
    pub fn only_withdraws(&self) -> bool {
        self.active != Some(true) && self.role != Some(Role::Admin)
    }
}
