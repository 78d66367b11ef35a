//! Whose things a caller may see and change.

use super::UserId;

/// Something out of reach looks like something that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Own(UserId),
    Anyone,
}

impl Reach {
    /// `None`: everybody's.
    pub fn owner(&self) -> Option<&[u8; 16]> {
        match self {
            Reach::Own(user) => Some(user.as_bytes()),
            Reach::Anyone => None,
        }
    }
}
