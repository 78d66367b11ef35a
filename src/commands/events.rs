//! `keybearer events …`

use clap::{Args, Subcommand};

use super::{Context, block_on, output};
use crate::auth::Auth;
use crate::auth::caller::Asking;
use crate::error::{Error, Result};
use crate::model::event_export::EventFormat;
use crate::model::{
    Action, ChainReport, DetailItem, Event, EventFilter, EventOutcome, EventStart, KeyId, Purpose, Time, counted,
};

/// Events read at once for an export.
const READ_AT_ONCE: usize = 500;

#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// List events, newest first
    #[command(after_help = "Example:\n  keybearer events list --limit 20 --action 'key.*' --person ada@example.com")]
    List {
        /// Maximum number of events
        #[arg(long, default_value_t = 100)]
        limit: usize,
        #[command(flatten)]
        filter: EventFilterArgs,
    },
    /// Print all events as CSV, or as JSON Lines with --json, newest first
    #[command(after_help = "Example:\n  keybearer events export --since 2026-11-01T00:00:00Z > events.csv")]
    Export {
        #[command(flatten)]
        filter: EventFilterArgs,
    },
    /// Check that no event was removed, edited or moved
    #[command(after_help = "Example:\n  keybearer events verify")]
    Verify,
}

/// Which events to print.
#[derive(Debug, Args)]
pub struct EventFilterArgs {
    /// Only events that contain this text; an ID or a key's hint finds what it names
    #[arg(long)]
    search: Option<String>,
    /// Only this action, such as key.created, or family, such as 'key.*'
    #[arg(long)]
    action: Option<String>,
    /// Only what was done, or only what was refused
    #[arg(long, value_name = "done|refused")]
    outcome: Option<String>,
    /// Only events by or about this person: email or ID
    #[arg(long)]
    person: Option<String>,
    /// Only events by this user or key: ID
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Only events about this key, user or session: ID
    #[arg(long, value_name = "ID")]
    object: Option<String>,
    /// Only events at or after this time, such as 2026-11-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only events before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl EventFilterArgs {
    fn filter(self) -> Result<EventFilter> {
        let id = |text: String| KeyId::parse(&text).map(|id| *id.as_bytes()).map_err(|_| not_an_id());
        Ok(EventFilter {
            search: self.search,
            actions: self.action.as_deref().map(Action::parse_filter).transpose()?,
            outcome: self.outcome.as_deref().map(EventOutcome::parse).transpose()?,
            person: self.person,
            actor: self.actor.map(id).transpose()?,
            object: self.object.map(id).transpose()?,
            since: self.since.as_deref().map(Time::parse).transpose()?,
            until: self.until.as_deref().map(Time::parse).transpose()?,
            ..EventFilter::default()
        })
    }
}

fn not_an_id() -> Error {
    Error::conflict("Write an ID as 01890a5d-ac96-774b-bcce-b302099a8057.")
}

pub fn run(context: &Context, command: EventsCommand) -> Result<()> {
    context.existing()?;
    let (auth, asking) = (context.auth(Purpose::Command, Vec::new())?, Asking::operator());
    block_on(async {
        match command {
            EventsCommand::List { limit, filter } => list(context, newest(&auth, filter.filter()?, limit).await?),
            EventsCommand::Export { filter } => export(context, &auth, filter.filter()?).await,
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

/// Up to `limit` events, however far back they are.
async fn newest(auth: &Auth, filter: EventFilter, limit: usize) -> Result<Vec<Event>> {
    let (mut events, mut start) = (Vec::new(), EventStart::Newest);
    loop {
        let filter = EventFilter { start, limit: limit - events.len(), ..filter.clone() };
        let found = auth.events(&Asking::operator(), filter).await?;
        events.extend(found.rows);
        match found.older {
            Some(seq) if events.len() < limit => start = EventStart::Before(seq),
            _ => return Ok(events),
        }
    }
}

async fn export(context: &Context, auth: &Auth, filter: EventFilter) -> Result<()> {
    let format = if context.json { EventFormat::JsonLines } else { EventFormat::Csv };
    output::write(format.header().as_bytes())?;
    let mut start = Some(EventStart::Newest);
    while let Some(from) = start {
        let filter = EventFilter { start: from, limit: READ_AT_ONCE, ..filter.clone() };
        let found = auth.events(&Asking::operator(), filter).await?;
        let lines = found.rows.iter().map(|event| format.line(event)).collect::<Result<String>>()?;
        output::write(lines.as_bytes())?;
        start = found.older.map(EventStart::Before);
    }
    Ok(())
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
            event.detail.as_deref().map(DetailItem::one_line).unwrap_or_default(),
            event.address.clone().unwrap_or_default(),
        ]
    };
    output::table(&["LINE", "TIME", "WHO", "ACTION", "OBJECT", "DETAIL", "ADDRESS"], events.iter().map(row))
}
