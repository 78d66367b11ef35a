//! `keybearer users …`

use clap::Subcommand;

use super::{Context, block_on, output, password};
use crate::auth::Auth;
use crate::auth::caller::Asking;
use crate::error::Result;
use crate::http::UserJson;
use crate::model::{Basis, Purpose, Role, User, UserChange, UserId, counted};

#[derive(Debug, Subcommand)]
pub enum UsersCommand {
    /// Add a user; prompts for the password, or reads it from stdin
    #[command(
        after_help = "Example:\n  printf %s 'correct horse battery staple' | keybearer users add ada@example.com --admin --password-stdin"
    )]
    Add {
        /// Email of the new user
        email: String,
        /// Give the new user the admin role
        #[arg(long)]
        admin: bool,
        /// Read the password from stdin, up to the end of the first line
        #[arg(long)]
        password_stdin: bool,
    },
    /// List all users
    #[command(after_help = "Example:\n  keybearer users list --json")]
    List,
    /// Show one user
    #[command(after_help = "Example:\n  keybearer users show ada@example.com")]
    Show {
        /// Email or id of the user
        email: String,
    },
    /// Set a new password; ends the user's sessions and tokens
    #[command(after_help = "Example:\n  keybearer users set-password ada@example.com")]
    SetPassword {
        /// Email of the user
        email: String,
        /// Read the password from stdin, up to the end of the first line
        #[arg(long)]
        password_stdin: bool,
    },
    /// Deactivate a user: refuse their keys and sessions
    #[command(after_help = "Example:\n  keybearer users deactivate ada@example.com")]
    Deactivate {
        /// Email or id of the user
        email: String,
    },
    /// Activate a deactivated user, and their keys
    #[command(after_help = "Example:\n  keybearer users activate ada@example.com")]
    Activate {
        /// Email or id of the user
        email: String,
    },
    /// Remove a user permanently, and revoke their keys
    #[command(after_help = "Example:\n  keybearer users remove ada@example.com")]
    Remove {
        /// Email or id of the user
        email: String,
    },
}

pub fn run(context: &Context, command: UsersCommand) -> Result<()> {
    if !matches!(command, UsersCommand::Add { .. }) {
        context.existing()?;
    }
    let asking = Asking::operator();
    let purpose = match command {
        UsersCommand::Deactivate { .. } | UsersCommand::Remove { .. } => Purpose::Revocation,
        _ => Purpose::Command,
    };
    let auth = context.auth(purpose, Vec::new())?;
    block_on(async {
        match command {
            UsersCommand::Add { email, admin, password_stdin } => {
                let role = if admin { Role::Admin } else { Role::Member };
                let typed = password::read(password_stdin)?;
                let user = auth.add_user(&asking, &email, role, Some(&typed)).await?;
                output::say(&format!("Added {} as {}.", user.email, role.as_str()));
                if context.json { output::json(&UserJson::from(user)) } else { Ok(()) }
            }
            UsersCommand::List => list(context, auth.users(&asking).await?),
            UsersCommand::Show { email } => show(context, &find(&auth, &asking, &email).await?),
            UsersCommand::SetPassword { email, password_stdin } => {
                let user = auth.user_by_email(&asking, &email).await?;
                let typed = password::read(password_stdin)?;
                auth.change_user(&asking, user.id, UserChange::default(), Some(&typed), Basis::Anything).await?;
                output::say(&format!("Set the password of {}, and ended their sessions and tokens.", user.email));
                Ok(())
            }
            UsersCommand::Deactivate { email } => {
                let user = find(&auth, &asking, &email).await?;
                auth.change_user(&asking, user.id, set_active(false), None, Basis::Anything).await?;
                let keys = counted(user.keys, "key");
                let is = if user.keys == 1 { "is" } else { "are" };
                output::say(&format!("Deactivated {}, so {keys} {is} now refused.", user.email));
                Ok(())
            }
            UsersCommand::Activate { email } => {
                let user = find(&auth, &asking, &email).await?;
                auth.change_user(&asking, user.id, set_active(true), None, Basis::Anything).await?;
                output::say(&format!("Activated {}, and {}.", user.email, counted(user.keys, "key")));
                Ok(())
            }
            UsersCommand::Remove { email } => {
                let user = find(&auth, &asking, &email).await?;
                let keys = auth.remove_user(&asking, user.id, Basis::Anything).await?;
                output::say(&format!("Removed {}, and revoked {}.", user.email, counted(keys, "key")));
                Ok(())
            }
        }
    })
}

fn set_active(active: bool) -> UserChange {
    UserChange { role: None, active: Some(active) }
}

/// Finds a user by email or id; a user whose email is damaged can be named only by id.
async fn find(auth: &Auth, asking: &Asking, name: &str) -> Result<User> {
    match UserId::parse(name) {
        Ok(id) => auth.user(asking, id).await,
        Err(_) => auth.user_by_email(asking, name).await,
    }
}

fn list(context: &Context, users: Vec<User>) -> Result<()> {
    if context.json {
        return output::json(&users.into_iter().map(UserJson::from).collect::<Vec<_>>());
    }
    let row = |user: &User| {
        let state = if user.active { "active" } else { "deactivated" };
        let damage = user.unreadable.join(", ");
        vec![
            user.email.to_string(),
            user.role.as_str().into(),
            if damage.is_empty() { state.into() } else { format!("{state}, unreadable: {damage}") },
            user.keys.to_string(),
            user.created_at.to_string(),
        ]
    };
    output::table(&["EMAIL", "ROLE", "STATE", "KEYS", "CREATED"], users.iter().map(row))
}

fn show(context: &Context, user: &User) -> Result<()> {
    if context.json {
        return output::json(&UserJson::from(user.clone()));
    }
    output::facts(&[
        ("id", user.id.to_string()),
        ("email", user.email.to_string()),
        ("role", user.role.as_str().to_owned()),
        ("state", if user.active { "active" } else { "deactivated" }.to_owned()),
        ("keys", user.keys.to_string()),
        ("created", user.created_at.to_string()),
        ("last sign-in", user.last_login_at.map_or_else(|| "never".to_owned(), |at| at.to_string())),
    ])
}
