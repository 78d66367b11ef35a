//! The reference: a bare actix-web handler, in a process of its own, whose fixed response has the status, headers and
//! body that the product's has. The difference in cost is what the product is judged by.

use crate::verify::{client::Client, client::Response, schedule::Route, server, server::Server};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, rt, web};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

/// The hidden argument that turns the benchmark's binary into the bare server; a file with its response follows.
pub const ARGUMENT: &str = "--bare-reference";

/// actix-web writes these itself, for the product and for the bare handler.
const WRITTEN_BY_ACTIX: [&str; 4] = ["content-length", "date", "connection", "transfer-encoding"];

#[derive(Serialize, Deserialize)]
struct Orders {
    port: u16,
    workers: usize,
    path: String,
    reads_body: bool,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Starts a bare server that answers `route` with `like`, with one worker per core.
pub fn start(route: &Route, like: Response, name: &str, directory: &Path, cores: &[usize]) -> io::Result<Server> {
    let orders = Orders {
        port: server::free_port()?,
        workers: cores.len(),
        path: route.path.to_owned(),
        reads_body: route.verifier.is_some(),
        status: like.status,
        headers: like.headers.into_iter().filter(|(name, _)| !WRITTEN_BY_ACTIX.contains(&name.as_str())).collect(),
        body: String::from_utf8_lossy(&like.body).into_owned(),
    };
    let file = directory.join(format!("bare-{name}.json"));
    fs::write(&file, serde_json::to_string(&orders)?)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(ARGUMENT).arg(&file);
    let mut server = Server::start(command, orders.port, cores, &directory.join(format!("bare-{name}.log")))?;
    let mut client = Client::new(server.port);
    server
        .wait("response of the bare server", || Ok(client.send(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").ok()))?;
    server.rest()?;
    Ok(server)
}

/// Serves the response in `file` until the process is ended.
pub fn serve(file: &Path) -> io::Result<()> {
    let Orders { port, workers, path, reads_body, status, headers, body } = serde_json::from_slice(&fs::read(file)?)?;
    let status = StatusCode::from_u16(status).map_err(io::Error::other)?;
    let body = web::Bytes::from(body);
    let mut pairs = Vec::new();
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(io::Error::other)?;
        pairs.push((name, HeaderValue::try_from(value).map_err(io::Error::other)?));
    }
    let respond = move || {
        let mut response = HttpResponse::build(status);
        for (name, value) in &pairs {
            response.append_header((name.clone(), value.clone()));
        }
        std::future::ready(response.body(body.clone()))
    };
    rt::System::new().block_on(async move {
        HttpServer::new(move || {
            let respond = respond.clone();
            // A handler that is sent a body reads it, as the product must.
            let route =
                if reads_body { web::post().to(move |_body: web::Bytes| respond()) } else { web::get().to(respond) };
            App::new().route(&path, route)
        })
        .workers(workers)
        .bind((Ipv4Addr::LOCALHOST, port))?
        .run()
        .await
    })
}
