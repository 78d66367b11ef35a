//! `keybearer keys …`

mod export;
mod id;
mod import;
mod leaked;
mod list;
mod owner;
mod revoke;
mod shown;
mod transfer;
mod usage;

use std::path::PathBuf;

use clap::Subcommand;

use super::{Context, block_on, input, output};
use crate::auth::caller::Asking;
use crate::auth::{Auth, KeyRequest, LeftOpen, RevokedLines, Rotation};
use crate::error::Result;
use crate::http::KeyJson;
use crate::model::key_settings::Description;
use crate::model::{
    Basis, Expiry, Handover, KeyChange, KeyName, KeyPrefix, KeyRecord, KeySettings, Metadata, Networks, Overlap,
    Purpose, RateLimit, ScopeSet, Silence,
};
use owner::owner_called;
use usage::UsageQuestion;

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Create a key; prints only the key, and only this time
    #[command(
        after_help = "Example:\n  KEY=$(keybearer keys create --owner ada@example.com --name ci --scope orders:read --expires 90d)"
    )]
    Create {
        /// Email of the user who owns the key
        #[arg(long)]
        owner: String,
        /// Name that says what the key is for
        #[arg(long)]
        name: String,
        /// Description: what the key is for, in up to 500 characters
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        description: String,
        /// Scope to grant, such as orders:read (repeatable)
        #[arg(long = "scope", value_name = "S")]
        scopes: Vec<String>,
        /// Expiry: a time span (90d, 12h), never or an RFC 3339 time
        #[arg(long, default_value = "90d")]
        expires: String,
        /// Address range the key can be used from (repeatable) [default: any address]
        #[arg(long = "allow-ip", value_name = "CIDR")]
        allowed_ips: Vec<String>,
        /// Rate limit: REQUESTS/SECONDS or REQUESTS/SECONDS/BURST [default: none]
        #[arg(long)]
        rate_limit: Option<String>,
        /// Prefix for the key: one of the values of --key-prefix [default: the first one]
        #[arg(long)]
        prefix: Option<String>,
    },
    /// List keys, newest first
    #[command(
        after_help = "Example:\n  keybearer keys list --owner ada@example.com --json\n  keybearer keys list --state active --unused-for 90d --sort name"
    )]
    List(list::ListArgs),
    /// Show one key's record
    #[command(after_help = "Example:\n  keybearer keys show 01890a5d-ac96-774b-bcce-b302099a8057")]
    Show {
        /// Id of the key
        id: String,
    },
    /// Revoke keys permanently: by id, or every key found in text on stdin
    #[command(
        after_help = "If some of the ids do not exist, the other keys are revoked, the missing ids are listed and the exit code is 1.\n\n--stdin finds keys created here anywhere in the text, by shape and checksum, and imported keys as words of 4 to 1,024 bytes. It reads UTF-8, UTF-16, URLs, JSON strings and base64. If it finds no key, it says what it searched for, and the exit code is 0.\n\nExample:\n  keybearer keys revoke 01890a5d-ac96-774b-bcce-b302099a8057\n  git log -p | keybearer keys revoke --stdin"
    )]
    Revoke {
        /// Ids of the keys
        #[arg(required_unless_present = "stdin")]
        ids: Vec<String>,
        /// Read any text (a log, a diff) and revoke every key found in it
        #[arg(long, conflicts_with = "ids")]
        stdin: bool,
    },
    /// Show which keys of this server are in text on stdin; changes nothing
    #[command(
        after_help = "Finds what keys revoke --stdin would revoke: keys created here anywhere in the text, by shape and checksum, and imported keys as words of 4 to 1,024 bytes.\n\nExample:\n  git log -p | keybearer keys find --stdin"
    )]
    Find {
        /// Read any text (a log, a diff)
        #[arg(long, required = true)]
        stdin: bool,
    },
    /// Show how often keys were accepted and refused, and who used them
    #[command(
        after_help = "With an ID, also shows the clients that used the key, and its latest refusals. Without one, shows the sums of all keys or, with --owner, of one user's keys.\n\nExample:\n  keybearer keys usage 01890a5d-ac96-774b-bcce-b302099a8057 --by day --since 2026-11-01T00:00:00Z\n  keybearer keys usage --owner ada@example.com --csv > usage.csv"
    )]
    Usage {
        /// Id of the key [default: all keys]
        #[arg(conflicts_with = "owner")]
        id: Option<String>,
        /// Only the keys of the user with this email
        #[arg(long)]
        owner: Option<String>,
        /// Count by hour or by day [default: hour]
        #[arg(long, value_name = "hour|day")]
        by: Option<String>,
        /// Start, as an RFC 3339 time [default: 24 hours or 30 days before the end]
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// End, as an RFC 3339 time [default: now]
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// Print the counts as CSV
        #[arg(long)]
        csv: bool,
    },
    /// Replace a key with a new one that has the same settings; prints only the new key, and only this time
    #[command(
        after_help = "Example:\n  KEY=$(keybearer keys rotate 01890a5d-ac96-774b-bcce-b302099a8057 --overlap 24h)"
    )]
    Rotate {
        /// Id of the old key
        id: String,
        /// How long the old key stays valid [default: revoked at once]
        #[arg(long, default_value = "0", hide_default_value = true, value_name = "SPAN")]
        overlap: String,
        /// Revoke the old key before that, once it has not been used for this long (1h to 90d)
        #[arg(long, value_name = "SPAN", requires = "overlap")]
        end_if_unused_for: Option<String>,
        /// Expiry of the new key: a time span (90d, 12h), never or an RFC 3339 time [default: the old key's original
        /// lifetime]
        #[arg(long)]
        expires: Option<String>,
    },
    /// Disable a key
    #[command(after_help = "Example:\n  keybearer keys disable 01890a5d-ac96-774b-bcce-b302099a8057")]
    Disable {
        /// Id of the key
        id: String,
    },
    /// Enable a disabled key
    #[command(after_help = "Example:\n  keybearer keys enable 01890a5d-ac96-774b-bcce-b302099a8057")]
    Enable {
        /// Id of the key
        id: String,
    },
    /// Import another system's keys by SHA-256 digest: all or nothing
    #[command(
        after_help = "FILE holds JSON Lines {\"sha256\": hex|base64|base64url, \"owner\": email, \"name\", \"scopes\": [...], \"expires_at\", \"hint\"}, or CSV with those columns (scopes separated by spaces). It can be a pipe; - is stdin.\n\nExample:\n  keybearer keys import keys.jsonl\n  zcat keys.jsonl.gz | keybearer keys import -"
    )]
    Import {
        /// File to import: JSON Lines or CSV
        file: PathBuf,
        /// Also import keys that were revoked here; the audit log records each of them
        #[arg(long)]
        allow_revoked: bool,
    },
    /// Export all keys in the import format: digests and settings, never a key
    #[command(
        after_help = "FILE is CSV if its name ends in .csv. It can be a pipe; - is stdout, which is also the default.\n\nExample:\n  keybearer keys export keys.jsonl\n  keybearer keys export | gzip > keys.jsonl.gz"
    )]
    Export {
        /// File to write [default: stdout]
        file: Option<PathBuf>,
    },
}

pub fn run(context: &Context, prefixes: Vec<KeyPrefix>, command: KeysCommand) -> Result<()> {
    context.existing()?;
    let asking = Asking::operator();
    let purpose = match command {
        KeysCommand::Revoke { .. } | KeysCommand::Disable { .. } => Purpose::Revocation,
        _ => Purpose::Command,
    };
    let auth = context.auth(purpose, prefixes)?;
    block_on(async {
        match command {
            KeysCommand::Create { owner, name, description, scopes, expires, allowed_ips, rate_limit, prefix } => {
                let request = KeyRequest {
                    prefix: prefix.as_deref().map(KeyPrefix::parse).transpose()?,
                    settings: KeySettings {
                        name: KeyName::parse(&name)?,
                        description: Description::parse(&description)?,
                        scopes: ScopeSet::parse(scopes.iter().map(String::as_str))?,
                        expires_at: Expiry::parse(&expires, auth.now())?.time(),
                        allowed_ips: Networks::parse(allowed_ips.iter().map(String::as_str))?,
                        rate_limit: rate_limit.as_deref().map(RateLimit::parse).transpose()?,
                        metadata: Metadata::default(),
                    },
                    left_open: LeftOpen::default(),
                    submission: None,
                    owner: owner_called(&auth, &asking, &owner).await?,
                };
                shown::create(context, &auth, &asking, request).await
            }
            KeysCommand::List(args) => list::run(context, &auth, &asking, args).await,
            KeysCommand::Show { id } => {
                show(context, &auth, auth.key(&asking.caller, id::parse(&auth, &asking, &id).await?).await?).await
            }
            KeysCommand::Revoke { ids, stdin: false } => revoke::run(context, &auth, &asking, ids).await,
            KeysCommand::Revoke { stdin: true, .. } => leaked::revoke(context, input::stdin()?, &auth, &asking).await,
            KeysCommand::Find { .. } => leaked::find(context, input::stdin()?, &auth, &asking).await,
            KeysCommand::Usage { id, owner, by, since, until, csv } => {
                usage::run(context, &auth, &asking, UsageQuestion { id, owner, by, since, until, csv }).await
            }
            KeysCommand::Rotate { id, overlap, end_if_unused_for, expires } => {
                let (key, overlap) = (id::parse(&auth, &asking, &id).await?, Overlap::parse(&overlap)?);
                let expiry = expires.as_deref().map(|text| Expiry::parse(text, auth.now())).transpose()?;
                let silence = end_if_unused_for.as_deref().map(Silence::parse).transpose()?;
                let handover = Handover::Later;
                let rotation =
                    Rotation { key, overlap, silence, handover, expiry, seen: Basis::Anything, submission: None };
                shown::rotate(context, &auth, &asking, rotation).await
            }
            KeysCommand::Import { file, allow_revoked } => {
                let revoked = if allow_revoked { RevokedLines::Revive } else { RevokedLines::Refuse };
                import::run(context, &auth, &asking, &file, revoked).await
            }
            KeysCommand::Export { file } => export::run(&auth, &asking, file.as_deref()).await,
            KeysCommand::Disable { id } => {
                let id = id::parse(&auth, &asking, &id).await?;
                let record = auth.change_key(&asking, id, KeyChange::disable(), Basis::Anything).await?;
                output::say(&format!("{} is disabled.", record.hint));
                Ok(())
            }
            KeysCommand::Enable { id } => {
                let id = id::parse(&auth, &asking, &id).await?;
                let record = auth.change_key(&asking, id, KeyChange::enable(), Basis::Anything).await?;
                output::say(&format!("{} is enabled.", record.hint));
                Ok(())
            }
        }
    })
}

async fn show(context: &Context, auth: &Auth, record: KeyRecord) -> Result<()> {
    if context.json {
        let clients = auth.latest_clients(&record).await?;
        return output::json(&KeyJson::of(&record, auth.now()).used_by(&clients));
    }
    let or = |value: Option<String>, none: &str| value.unwrap_or_else(|| none.to_owned());
    let damage = record.unreadable.join(", ");
    let mut facts = vec![
        ("id", record.id.to_string()),
        ("name", record.settings.name.to_string()),
        ("description", or(record.settings.description.filled().map(|text| text.replace('\n', " ")), "none")),
        ("hint", record.hint.clone()),
        ("owner", record.owner.email.to_string()),
        ("scopes", record.settings.scopes.joined()),
        ("enabled", record.enabled.to_string()),
        ("created", record.created_at.to_string()),
        ("expires", or(record.settings.expires_at.map(|at| at.to_string()), "never")),
        ("last used", or(record.last_use.map(|last| last.at.to_string()), "never")),
        ("allowed ips", or(Some(record.settings.allowed_ips.joined()).filter(|ips| !ips.is_empty()), "any")),
        ("rate limit", or(record.settings.rate_limit.map(|limit| limit.text()), "none")),
    ];
    facts.extend(record.rotated_from.map(|id| ("rotated from", id.to_string())));
    facts.extend(record.rotated_to.map(|id| ("rotated to", id.to_string())));
    if !damage.is_empty() {
        facts.push(("unreadable", damage));
    }
    output::facts(&facts)
}
