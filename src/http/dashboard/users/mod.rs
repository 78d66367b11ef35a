//! People, for admins: the list, a new user, one user.

pub mod list;
pub mod new;
mod notices;
pub mod show;
