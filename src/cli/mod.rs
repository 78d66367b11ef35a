//! From words to a command: flags, environment and settings file, then one call into `commands`.

mod args;
mod settings;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::commands::{self, Context};
use crate::error::{Error, Kind};
pub use args::{Cli, Command};

/// 0 done, 1 refused or failed, 2 wrong usage.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print(); // a closed stderr leaves nowhere to say so
            let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if is_help { 0 } else { 2 });
        }
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            commands::output::say(&format!("keybearer: {error}"));
            ExitCode::from(if error.kind == Kind::Invalid && error.field == Some("usage") { 2 } else { 1 })
        }
    }
}

fn run(cli: Cli) -> Result<(), Error> {
    let settings = settings::Settings::resolve(&cli)?;
    let context = Context { database: settings.database.clone(), json: cli.global.json };
    match cli.command {
        Command::Serve(_) => commands::serve::run(&context, settings.http()?, settings.prefixes()?),
        Command::Users { command } => commands::users::run(&context, command),
        Command::Keys { command } => commands::keys::run(&context, settings.prefixes()?, command),
        Command::SigningKeys { command } => {
            commands::signing_keys::run(&context, settings.signing_keys().as_deref(), command)
        }
        Command::Events { command } => commands::events::run(&context, command),
        Command::Check => commands::check::run(&context),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "keybearer", &mut std::io::stdout());
            Ok(())
        }
        Command::Man => clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout()).map_err(Error::internal),
    }
}
