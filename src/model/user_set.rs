//! The sets of people that admins look at.

use super::RowCount;

/// Everyone, or those of one kind. Admins and members are active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserSet {
    All,
    Admins,
    Members,
    Deactivated,
}

impl UserSet {
    pub const ALL: [UserSet; 4] = [UserSet::All, UserSet::Admins, UserSet::Members, UserSet::Deactivated];
}

/// How many people are in each of [`UserSet::ALL`].
pub type UserCounts = [RowCount; 4];
