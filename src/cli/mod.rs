//! From words to a command: flags, environment and settings file, then one call into `commands`.

mod args;
mod environment;
mod layers;
mod settings;
mod text;

use std::borrow::Cow;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use crate::ambient::log;
use crate::commands::{self, Context, output};
use crate::error::{Error, Kind};
use crate::model::foreign_text::message_without_keys;
pub use args::{Cli, Command};
use settings::Settings;

/// For the server's last lines, where nobody reads them; whoever reads has them at once.
const LAST_LINES: Duration = Duration::from_secs(1);

/// 0 done, 1 refused or failed, 2 wrong usage.
pub fn main() -> ExitCode {
    let parsed = command().try_get_matches().and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let text = error.render();
            let is_plain = !std::io::stdout().is_terminal();
            return ended(output::write(if is_plain { text.to_string() } else { text.ansi().to_string() }.as_bytes()));
        }
        Err(error) => {
            let text = error.render().to_string();
            match message_without_keys(&text) {
                Cow::Borrowed(_) => drop(error.print()), // a closed stderr leaves nowhere to say so
                Cow::Owned(_) => output::say(text.trim_end()),
            }
            return ExitCode::from(2);
        }
    };
    let code = ended(run(cli, &matches));
    log::flush(LAST_LINES);
    code
}

fn ended(done: Result<(), Error>) -> ExitCode {
    let Err(error) = done else { return ExitCode::SUCCESS };
    output::say(&format!("keybearer: {error}"));
    ExitCode::from(if error.kind == Kind::Invalid && error.field == Some("usage") { 2 } else { 1 })
}

/// As clap and the manual know it.
fn command() -> clap::Command {
    environment::documented(Cli::command())
}

fn run(mut cli: Cli, matches: &ArgMatches) -> Result<(), Error> {
    let settings = Settings::resolve(&mut cli, matches)?;
    let context = Context {
        database: settings.database()?,
        consent: settings.consent(cli.global.accept_older_database)?,
        json: cli.global.json,
    };
    let done = match cli.command {
        Command::Serve(_) => commands::serve::run(&context, settings.http()?, settings.prefixes()?),
        Command::Users { command } => commands::users::run(&context, command),
        Command::Keys { command } => commands::keys::run(&context, settings.prefixes()?, command),
        Command::SigningKeys { command } => commands::signing_keys::run(&context, settings.signing_keys()?, command),
        Command::Events { command } => commands::events::run(&context, command),
        Command::Check => commands::check::run(&context),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut self::command(), "keybearer", &mut text);
            output::write(&text)
        }
        Command::Man => {
            let mut text = Vec::new();
            clap_mangen::Man::new(self::command()).render(&mut text).map_err(Error::internal)?;
            output::write(&text)
        }
    };
    done.map_err(|error| settings.as_given(error))
}
