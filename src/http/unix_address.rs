//! A Unix socket to listen on, as an operator writes it: `unix:/path` or `unix:/path?mode=600`.

use std::fmt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use super::socket_file::SocketFile;
use crate::error::{Error, Kind, Result};

pub const PREFIX: &str = "unix:";

/// The owner and the group can connect. Connecting needs write permission (unix(7)).
const DEFAULT_MODE: u32 = 0o660;
/// Maximum bytes of a path: `sun_path`, without the byte that ends it.
const MAX_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixAddress {
    path: PathBuf,
    /// The permissions of the socket's file.
    mode: u32,
}

impl UnixAddress {
    /// Parses what follows `unix:`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            let forms = "unix:/run/keybearer/http.sock, or unix:/run/keybearer/http.sock?mode=600";
            Error::invalid("listen", format!("{why}. Write an absolute path, and optionally a mode: {forms}."))
        };
        let (path, mode) = match text.split_once('?') {
            None => (text, Some(DEFAULT_MODE)),
            Some((path, query)) => (path, query.strip_prefix("mode=").and_then(octal)),
        };
        let mode = mode.ok_or_else(|| wrong("after the ? there must be mode= and three octal digits"))?;
        if !path.starts_with('/') {
            return Err(wrong("the path is not absolute"));
        }
        if path.ends_with('/') || Path::new(path).file_name().is_none() || path.contains(char::is_control) {
            return Err(wrong("this is not the path of a file"));
        }
        if path.len() > MAX_PATH {
            return Err(wrong(&format!(
                "the path has {} bytes, and that of a Unix socket can have {MAX_PATH}",
                path.len()
            )));
        }
        if mode & 0o600 != 0o600 {
            return Err(wrong("the mode must let the owner read and write, such as 600 or 660"));
        }
        Ok(UnixAddress { path: PathBuf::from(path), mode })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether every user of the machine can connect, as far as the directory allows it.
    pub fn is_open_to_all(&self) -> bool {
        self.mode & 0o002 != 0
    }

    /// Opens the socket. The file of a server that is gone is replaced; nothing else is. An error names `flag`.
    pub fn bind(&self, flag: &str) -> Result<(UnixListener, SocketFile)> {
        SocketFile::bind(&self.path, self.mode).map_err(|why| {
            Error::new(Kind::Unavailable, format!("Cannot listen on {self}: {why}, or choose another {flag} address."))
        })
    }
}

/// Three octal digits, or four if the first is 0.
fn octal(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('0').filter(|rest| rest.len() == 3).unwrap_or(text);
    let is_mode = digits.len() == 3 && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    u32::from_str_radix(digits, 8).ok().filter(|_| is_mode)
}

impl fmt::Display for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.path.display())?;
        if self.mode == DEFAULT_MODE { Ok(()) } else { write!(f, "?mode={:03o}", self.mode) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_unix_address_is_an_absolute_path_and_a_mode() {
        for (text, mode) in [
            ("/run/kb.sock", 0o660),
            ("/run/kb.sock?mode=600", 0o600),
            ("/run/kb.sock?mode=0666", 0o666),
            ("/run/kb.sock?mode=770", 0o770),
        ] {
            let address = UnixAddress::parse(text).unwrap();
            assert_eq!((address.path(), address.mode), (Path::new("/run/kb.sock"), mode));
            assert_eq!(address.is_open_to_all(), text.contains("666"));
        }
        let longest = format!("/{}", "a".repeat(MAX_PATH - 1));
        assert!(UnixAddress::parse(&longest).is_ok());
        for (text, why) in [
            ("", "absolute"),
            ("kb.sock", "absolute"),
            ("./kb.sock", "absolute"),
            ("@kb", "absolute"),
            ("/", "path of a file"),
            ("/run/", "path of a file"),
            ("/run/..", "path of a file"),
            ("/run/\0", "path of a file"),
            (&format!("{longest}a"), "bytes"),
            ("/kb?", "octal"),
            ("/kb?mode=", "octal"),
            ("/kb?mode=rw", "octal"),
            ("/kb?mode=+60", "octal"),
            ("/kb?mode=66", "octal"),
            ("/kb?mode=668", "octal"),
            ("/kb?mode=1660", "octal"),
            ("/kb?mode=00660", "octal"),
            ("/kb?user=www", "octal"),
            ("/kb?mode=660&mode=600", "octal"),
            ("/kb?mode=060", "owner"),
            ("/kb?mode=000", "owner"),
        ] {
            let error = UnixAddress::parse(text).unwrap_err();
            assert!(error.message.contains(why) && error.message.contains("?mode=600"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_unix_address_that_survives_a_round_trip_or_an_error(text in "/?.{0,20}([?]mode=[0-9]{0,4})?") {
            if let Ok(address) = UnixAddress::parse(&text) {
                let shown = address.to_string();
                prop_assert_eq!(UnixAddress::parse(shown.strip_prefix(PREFIX).unwrap()).unwrap(), address);
            }
        }
    }
}
