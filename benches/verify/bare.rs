//! The reference: a bare actix-web handler, in a process of its own, that gives one fixed answer with the very status,
//! headers and body that the product gave. What the product costs beyond this is what it is judged by.

use crate::client::{Client, Response};
use crate::process::{self, Server};
use crate::schedule::Route;
use crate::startup;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, rt, web};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// The hidden argument that turns the benchmark's binary into the bare server; a file with its answer follows.
pub const ARGUMENT: &str = "--bare-reference";

/// actix-web writes these by itself, for the product and for the bare handler alike.
const WRITTEN_BY_ACTIX: [&str; 4] = ["content-length", "date", "connection", "transfer-encoding"];

/// Starts a bare server that answers `route` as the product did, with a worker for each of `cores`.
pub fn start(route: &Route, like: &Response, name: &str, directory: &Path, cores: &[usize]) -> io::Result<Server> {
    let port = process::free_port()?;
    let file = directory.join(format!("bare-{name}.json"));
    let headers: Vec<_> = like.headers.iter().filter(|(name, _)| !WRITTEN_BY_ACTIX.contains(&name.as_str())).collect();
    let answer = json!({
        "port": port,
        "workers": cores.len(),
        "method": route.method(),
        "path": route.path(),
        "status": like.status,
        "headers": headers,
        "body": String::from_utf8_lossy(&like.body),
    });
    fs::write(&file, answer.to_string())?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(ARGUMENT).arg(&file);
    Server::start(command, port, cores, &directory.join(format!("bare-{name}.log")))
}

/// Until it listens; then it rests.
pub fn wait(mut server: Server) -> io::Result<Server> {
    let mut client = Client::new(server.port);
    startup::wait(&mut server, Instant::now(), "an answer of the bare server", || {
        Ok(client.send(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").ok())
    })?;
    server.rest()?;
    Ok(server)
}

#[derive(Clone)]
struct FixedAnswer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: web::Bytes,
}

impl FixedAnswer {
    fn respond(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for (name, value) in &self.headers {
            response.append_header((name.clone(), value.clone()));
        }
        response.body(self.body.clone())
    }
}

/// What the re-executed binary does: serves the answer in `file` until it is ended.
pub fn serve(file: &Path) -> io::Result<()> {
    let stored: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    let answer = parse(&stored).ok_or_else(|| io::Error::other("the file does not describe an answer"))?;
    let path = stored["path"].as_str().unwrap_or("/").to_owned();
    let posts = stored["method"] == "POST";
    let port = stored["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    let workers = stored["workers"].as_u64().and_then(|workers| usize::try_from(workers).ok()).unwrap_or(1);
    rt::System::new().block_on(async move {
        HttpServer::new(move || {
            let answer = answer.clone();
            // A handler that is sent a body reads it, as the product must.
            let route = if posts {
                web::post().to(move |_body: web::Bytes| std::future::ready(answer.respond()))
            } else {
                web::get().to(move || std::future::ready(answer.respond()))
            };
            App::new().route(&path, route)
        })
        .workers(workers)
        .bind((Ipv4Addr::LOCALHOST, port))?
        .run()
        .await
    })
}

fn parse(stored: &Value) -> Option<FixedAnswer> {
    let status = StatusCode::from_u16(stored["status"].as_u64()?.try_into().ok()?).ok()?;
    let mut headers = Vec::new();
    for pair in stored["headers"].as_array()? {
        let name = HeaderName::from_bytes(pair[0].as_str()?.as_bytes()).ok()?;
        headers.push((name, HeaderValue::from_str(pair[1].as_str()?).ok()?));
    }
    Some(FixedAnswer { status, headers, body: stored["body"].as_str()?.to_owned().into() })
}
