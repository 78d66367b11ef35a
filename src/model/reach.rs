//! Whose objects a caller may see and change.

use super::UserId;

/// An object out of reach looks like one that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Own(UserId),
    Anyone,
}

impl Reach {
    /// `None` means everyone's objects.
    pub fn owner(&self) -> Option<&[u8; 16]> {
        match self {
            Reach::Own(user) => Some(user.as_bytes()),
            Reach::Anyone => None,
        }
    }
}
