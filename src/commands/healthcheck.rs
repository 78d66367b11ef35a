//! `keybearer healthcheck`: is a server ready? For container images, which have neither a shell nor curl.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::output;
use crate::error::{Error, Result};

/// Per step: connecting to one address, sending, receiving. Docker and Kubernetes have limits of their own for the whole.
const PATIENCE: Duration = Duration::from_secs(5);

/// Refused unless the answer is 200.
pub fn run(url: &str) -> Result<()> {
    let Some(rest) = url.strip_prefix("http://") else {
        return Err(Error::invalid(
            "usage",
            "--url must begin with http://. If the server itself terminates TLS, let the load balancer check it.",
        ));
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, "readyz"));
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let with_port = if port.parse::<u16>().is_ok() {
        authority.to_owned()
    } else {
        format!("{}:80", authority.trim_end_matches(':'))
    };
    let status = ask(&with_port, authority, path).map_err(|error| {
        Error::conflict(format!("{url} does not answer: {error}. Is the server running, and is this its address?"))
    })?;
    if status.split(' ').nth(1) != Some("200") {
        return Err(Error::conflict(format!("{url} answers \"{status}\". The reason is in the server's log.")));
    }
    output::say("ready");
    Ok(())
}

/// Returns the status line.
fn ask(address: &str, host: &str, path: &str) -> io::Result<String> {
    let mut stream = connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut status = String::new();
    BufReader::new(io::Read::take(stream, 1024)).read_line(&mut status)?;
    Ok(status.trim_end().to_owned())
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
