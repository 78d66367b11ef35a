//! What a request through a gateway costs more when the gateway asks the product first: nginx in front
//! of an upstream that answers 204 at once, with and without `auth_request`.

use crate::client::Client;
use crate::process::{self, Server};
use crate::startup;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

pub const OPEN: &str = "/open/";
pub const GUARDED: &str = "/guarded/";

/// nginx, which has one worker, on the first of `cores`, asking the product at `product` for each request to
/// [`GUARDED`].
pub fn start(product: u16, directory: &Path, cores: &[usize]) -> io::Result<Server> {
    let place = directory.join("gateway");
    fs::create_dir_all(&place)?;
    let (port, upstream) = (process::free_port()?, process::free_port()?);
    let file = place.join("nginx.conf");
    fs::write(&file, configuration(port, upstream, product))?;
    let nginx = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).exists());
    let nginx = nginx.ok_or_else(|| io::Error::other("nginx is not installed"))?;
    let mut command = Command::new(nginx);
    command.arg("-p").arg(&place).arg("-c").arg(&file);
    let mut server = Server::start(command, port, &cores[..1], &place.join("nginx.log"))?;
    let mut client = Client::new(port);
    startup::wait(&mut server, Instant::now(), "an answer of nginx", || {
        let probe = format!("GET {OPEN} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        Ok(client.send(probe.as_bytes()).ok().filter(|answer| answer.status == 204))
    })?;
    server.rest()?;
    Ok(server)
}

fn configuration(port: u16, upstream: u16, product: u16) -> String {
    format!(
        "daemon off;
master_process off;
pid nginx.pid;
error_log nginx-error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream keybearer {{ server 127.0.0.1:{product}; keepalive 64; }}
    upstream api {{ server 127.0.0.1:{upstream}; keepalive 64; }}
    proxy_http_version 1.1;
    proxy_set_header Connection \"\";
    server {{
        listen 127.0.0.1:{port};
        location {OPEN} {{ proxy_pass http://api; }}
        location {GUARDED} {{
            auth_request /keybearer;
            proxy_pass http://api;
        }}
        location = /keybearer {{
            internal;
            proxy_pass http://keybearer/auth/nginx;
            proxy_pass_request_body off;
            proxy_set_header Content-Length \"\";
        }}
    }}
    server {{
        listen 127.0.0.1:{upstream};
        location / {{ return 204; }}
    }}
}}
"
    )
}
