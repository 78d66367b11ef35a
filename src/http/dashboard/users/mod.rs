//! People, for admins: the list, a new user, one user.

pub mod change;
pub mod hand_over;
pub mod link;
pub mod list;
pub mod new;
pub mod show;
