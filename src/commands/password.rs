//! A new password for a command: from stdin when asked so, else typed twice at the terminal.

use std::io::{self, BufRead, IsTerminal, Read};

use super::input;
use crate::error::{Error, Result};

const MOST: u64 = 2048;

pub fn read(from_stdin: bool) -> Result<String> {
    if from_stdin {
        let mut line = String::new();
        input::stdin()?
            .take(MOST)
            .read_line(&mut line)
            .map_err(|_| Error::invalid("password", "The password on stdin is not UTF-8 text."))?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    if !io::stdin().is_terminal() {
        return Err(Error::invalid("usage", "There is no terminal to ask for the password. Use --password-stdin."));
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt)
            .map_err(|error| Error::invalid("password", format!("No password was read: {error}")))
    };
    let first = ask("Password: ")?;
    if first != ask("The same again: ")? {
        return Err(Error::invalid("password", "The two passwords differ. Nothing was changed."));
    }
    Ok(first)
}
