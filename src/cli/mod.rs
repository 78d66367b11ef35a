//! Reads flags, environment and settings file, and makes one call into `commands`.

mod args;
mod settings;

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

/// Maximum time to wait for the log's last lines to be written, in case nobody reads them.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Exits with 0 (done), 1 (refused or failed) or 2 (wrong usage).
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
                Cow::Borrowed(_) => drop(error.print()), // if stderr is closed, there is nowhere to report it
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

/// The command line for clap, the completions and the manual page.
fn command() -> clap::Command {
    settings::documented(Cli::command())
}

fn run(cli: Cli, matches: &ArgMatches) -> Result<(), Error> {
    let settings = Settings::resolve(&Cli::command(), matches, cli.global.config)?;
    let context = Context {
        database: settings.database.address()?,
        consent: settings.database.consent(cli.global.accept_older_database)?,
        json: cli.global.json,
    };
    let done = match cli.command {
        // All flags of `serve` are settings, so they are in `settings`.
        Command::Serve(_) => {
            let database = context.database.with_lease(settings.lease()?);
            commands::serve::run(&Context { database, ..context }, settings.serve()?)
        }
        Command::Users { command } => commands::users::run(&context, command),
        Command::Keys { command } => commands::keys::run(&context, settings.prefixes()?, command),
        Command::SigningKeys { command } => {
            let (own, secret) = (settings.signing_keys()?, settings.secret_file()?);
            commands::signing_keys::run(&context, own.as_deref(), secret.as_deref(), command)
        }
        Command::Events { command } => commands::events::run(&context, command),
        Command::Nodes => commands::nodes::run(&context),
        Command::Copy(args) => commands::copy::run(context, settings.secret_file()?, &args),
        Command::Backup { file } => commands::backup::run(&context, &file),
        Command::Restore { file, accept_revived } => commands::restore::run(&context, &file, accept_revived),
        Command::Check => commands::check::run(&context),
        Command::Healthcheck { url } => commands::healthcheck::run(&url),
        Command::ScannerRules { format } => commands::scanner_rules::run(format, &settings.prefixes()?),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut self::command(), "keybearer", &mut text);
            output::write(&text)
        }
        Command::Man { directory: Some(directory) } => clap_mangen::generate_to(self::command(), &directory)
            .map_err(|error| Error::conflict(format!("{} cannot be written to: {error}", directory.display()))),
        Command::Man { directory: None } => {
            let mut text = Vec::new();
            clap_mangen::Man::new(self::command()).render(&mut text).map_err(Error::internal)?;
            output::write(&text)
        }
    };
    done.map_err(|error| settings.as_given(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_every_argument_has_a_help_text() {
        let mut waiting = vec![command()];
        while let Some(command) = waiting.pop() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            waiting.extend(command.get_subcommands().cloned());
        }
    }
}
