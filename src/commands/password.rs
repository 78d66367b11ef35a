//! A new password for a command: from stdin, or typed twice at the terminal.

use std::io::{self, BufRead, BufReader, IsTerminal, Read};

use zeroize::Zeroizing;

use super::input::{self, Text, Unpaired};
use crate::error::{Error, Result};

/// More than the longest password, so that a longer one is refused, not truncated.
const MAX_BYTES: u64 = 2048;

pub fn read(from_stdin: bool) -> Result<String> {
    if from_stdin {
        return first_line(input::stdin()?);
    }
    if !io::stdin().is_terminal() {
        return Err(Error::invalid("usage", "There is no terminal to ask for the password. Use --password-stdin."));
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt)
            .map_err(|error| Error::invalid("password", format!("The password could not be read: {error}")))
    };
    let first = ask("Password: ")?;
    if first != ask("Repeat password: ")? {
        return Err(Error::invalid("password", "The two passwords differ. Nothing was changed."));
    }
    Ok(first)
}

/// Decodes the text first: a byte-order mark and the zero bytes of UTF-16 are not part of a password, since nobody can
/// type them at sign-in.
fn first_line(text: impl Read) -> Result<String> {
    let wrong = |why: &str| Error::invalid("password", format!("The password on stdin cannot be used: {why}"));
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize));
    let text = BufReader::new(Text::new(text, Unpaired::Refuse));
    text.take(MAX_BYTES).read_until(b'\n', &mut line).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => wrong(&error.to_string()),
        _ => wrong(&format!("stdin cannot be read ({error}).")),
    })?;
    if line.len() as u64 == MAX_BYTES {
        return Err(wrong("it is longer than 1,024 bytes. Choose a shorter one."));
    }
    let line = std::str::from_utf8(&line).map_err(|_| {
        wrong("it is not UTF-8; it may be in Windows-1252 or Latin-1. Write it as UTF-8 and try again.")
    })?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return Err(wrong(
            "it contains a zero byte or another control character; it may be in UTF-16. Write it as UTF-8 and try again.",
        ));
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_password_is_the_same_in_each_encoding(password in "[!-~]{4,40}", end in "(\r?\n(more)?)?") {
            let text = format!("{password}{end}");
            let utf16 = |order: fn(u16) -> [u8; 2], text: &str| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
            for text in [text.clone(), format!("\u{feff}{text}")] {
                let written = [text.clone().into_bytes(), utf16(u16::to_le_bytes, &text), utf16(u16::to_be_bytes, &text)];
                for bytes in written {
                    prop_assert_eq!(&first_line(&bytes[..]).unwrap(), &password);
                }
            }
        }

        #[test]
        fn any_bytes_are_read_as_a_typeable_password_or_refused(bytes: Vec<u8>) {
            if let Ok(password) = first_line(&bytes[..]) {
                prop_assert!(!password.contains(|c: char| c.is_control() && c != '\t'));
            }
        }
    }
}
