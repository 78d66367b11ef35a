//! nginx in front of an upstream that answers 204 at once, with and without `auth_request`: what it costs a gateway to
//! ask the product first.

use crate::verify::{client::Client, server, server::Server};
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

/// The locations of `auth_request.conf`.
pub const OPEN: &str = "/open/";
pub const GUARDED: &str = "/guarded/";

/// Starts nginx, which has one worker, on the first of `cores`; for each request to [`GUARDED`] it asks the
/// product, at the Unix socket `product`.
pub fn start(product: &Path, directory: &Path, cores: &[usize]) -> io::Result<Server> {
    let place = directory.join("gateway");
    fs::create_dir_all(&place)?;
    let (port, upstream) = (server::free_port()?, server::free_port()?);
    let file = place.join("nginx.conf");
    let (port_text, upstream, product) = (port.to_string(), upstream.to_string(), product.display().to_string());
    let places = [("@PORT@", port_text), ("@UPSTREAM@", upstream), ("@PRODUCT@", product)];
    let configuration = include_str!("../peers/auth_request.conf").to_owned();
    fs::write(&file, places.iter().fold(configuration, |text, (name, place)| text.replace(name, place)))?;
    let nginx = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).exists());
    let nginx = nginx.ok_or_else(|| io::Error::other("nginx is not installed"))?;
    let mut command = Command::new(nginx);
    command.arg("-p").arg(&place).arg("-c").arg(&file);
    let mut server = Server::start(command, port, &cores[..1], &place.join("nginx.log"))?;
    let mut client = Client::new(port);
    let probe = format!("GET {OPEN} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    server
        .wait("response of nginx", || Ok(client.send(probe.as_bytes()).ok().filter(|answer| answer.status == 204)))?;
    server.rest()?;
    Ok(server)
}
