//! `keybearer events …`

use clap::Subcommand;

use super::{Context, block_on, output};
use crate::auth::caller::Asking;
use crate::error::{Error, Result};
use crate::model::{ChainReport, Event, EventFilter, Purpose, counted};

#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// List events, newest first
    #[command(after_help = "Example:\n  keybearer events list --limit 20")]
    List {
        /// Maximum number of events
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// List only events that contain this text
        #[arg(long)]
        search: Option<String>,
    },
    /// Check that no event was removed, edited or moved
    #[command(after_help = "Example:\n  keybearer events verify")]
    Verify,
}

pub fn run(context: &Context, command: EventsCommand) -> Result<()> {
    context.existing()?;
    let (auth, asking) = (context.auth(Purpose::Command, Vec::new())?, Asking::operator());
    block_on(async {
        match command {
            EventsCommand::List { limit, search } => {
                list(context, auth.events(&asking, EventFilter { search, limit, ..EventFilter::default() }).await?.rows)
            }
            EventsCommand::Verify => match auth.verify_events(&asking).await? {
                ChainReport::Whole { lines } => {
                    output::say(&format!("The audit log is complete and unchanged: {}.", counted(lines, "line")));
                    Ok(())
                }
                ChainReport::Broken { seq } => Err(Error::conflict(format!(
                    "The audit log was tampered with: line {seq} does not follow from the line before it. Keep a copy \
                     of the database, and compare it with a backup."
                ))),
            },
        }
    })
}

fn list(context: &Context, events: Vec<Event>) -> Result<()> {
    if context.json {
        return output::json(&events);
    }
    let row = |event: &Event| {
        let who = if event.actor.is_empty() { &event.actor_kind } else { &event.actor };
        vec![
            event.seq.to_string(),
            event.at.to_string(),
            who.clone(),
            event.action.clone(),
            event.object.clone(),
            event.address.clone().unwrap_or_default(),
        ]
    };
    output::table(&["LINE", "TIME", "WHO", "ACTION", "OBJECT", "ADDRESS"], events.iter().map(row))
}
