//! The password from the file that PGPASSFILE names, else from `~/.pgpass`, as for libpq (PostgreSQL documentation,
//! "The Password File").

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::error::{Error, Result};

/// Adds the password, if the file has one for this server.
pub(super) fn complete(config: &mut Config) -> Result<()> {
    let Some(file) = location() else { return Ok(()) };
    let Ok(found) = fs::metadata(&file) else { return Ok(()) };
    if found.permissions().mode() & 0o077 != 0 {
        return Err(Error::conflict(format!(
            "{} can be read by others, so it is not used: set its mode to 0600.",
            file.display()
        )));
    }
    let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        _ => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let user = config.get_user().unwrap_or_default().to_owned();
    let database = config.get_dbname().unwrap_or(&user).to_owned();
    if let Some(password) = password(&text, [&host, &port, &database, &user]) {
        config.password(password);
    }
    Ok(())
}

fn location() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".pgpass"));
    std::env::var_os("PGPASSFILE").map(PathBuf::from).or_else(home)
}

fn unreadable(file: &Path, error: &std::io::Error) -> Error {
    Error::conflict(format!("{} cannot be read: {error}.", file.display()))
}

/// The password of the first line that matches; `*` matches everything.
fn password(text: &str, wanted: [&str; 4]) -> Option<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(fields).find_map(|[host, port, database, user, password]| {
        let given = [host, port, database, user];
        given.iter().zip(wanted).all(|(own, wanted)| own == "*" || own == wanted).then_some(password)
    })
}

/// The five fields of a line, separated by colons; a backslash escapes the next character.
fn fields(line: &str) -> Option<[String; 5]> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        let is_end = c == ':' && fields.len() < 5;
        match fields.last_mut()? {
            _ if is_end => fields.push(String::new()),
            last if c == '\\' => last.extend(characters.next()),
            last => last.push(c),
        }
    }
    fields.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_matches_has_the_password() {
        let text =
            "# a comment\nother:5432:keys:kb:no\ndb.test:*:keys:kb:a\\:b\\\\c\n*:*:*:*:rest:with:colons\nbroken\n";
        let of = |host| password(text, [host, "5432", "keys", "kb"]);
        assert_eq!(of("db.test").as_deref(), Some("a:b\\c"));
        assert_eq!(of("elsewhere").as_deref(), Some("rest:with:colons"));
        assert_eq!(password("a:1:b:c:d", ["a", "2", "b", "c"]), None);
    }
}
