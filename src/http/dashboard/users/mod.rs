//! People, for admins: the list, a new user, one user.

pub mod list;
pub mod new;
pub mod show;
