//! The list of settings, from clap's definition of the flags: the arguments that also have an environment variable.

use clap::{Arg, ArgAction, Command};

/// The settings of every command and those of `serve`.
pub fn known(command: &Command) -> Vec<&Arg> {
    let serve = command.find_subcommand("serve").into_iter().flat_map(Command::get_arguments);
    command.get_arguments().chain(serve).filter(|arg| arg.get_env().is_some()).collect()
}

/// Whether the setting is a list that counts as not set if it has no entry. Not `--listen`: the server would then listen
/// somewhere that the operator has not named.
pub fn may_be_empty(setting: &Arg) -> bool {
    matches!(setting.get_action(), ArgAction::Append) && name(setting) != "listen"
}

/// The setting's name in the settings file: `public-url`.
pub fn name(setting: &Arg) -> &str {
    setting.get_long().unwrap_or_default()
}

/// The setting's name in the environment: `KEYBEARER_PUBLIC_URL`.
pub fn variable(setting: &Arg) -> &str {
    setting.get_env().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The known name that is most similar to this one, if any is similar enough.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let by_likeness = known.into_iter().map(|other| (strsim::jaro(name, other), other));
    let (likeness, nearest) = by_likeness.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (likeness > 0.8).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    #[test]
    fn a_setting_has_the_same_name_everywhere() {
        let command = Cli::command();
        let known = known(&command);
        assert!(known.len() > 20);
        for setting in known {
            let flag = name(setting);
            assert_eq!(setting.get_id().as_str().replace('_', "-"), flag);
            assert_eq!(variable(setting), format!("KEYBEARER_{}", flag.to_uppercase().replace('-', "_")));
        }
    }
}
