//! The signed-in user's own account.

mod device;
pub mod show;
