//! The installed gateways, each with its documented files.

use std::time::{Duration, Instant};

use super::client;
use super::gateway::{Gateway, Stage};
use super::home::OWNER;
use super::promises;
use super::recipes::blocks;

pub const NGINX: Gateway = Gateway {
    files: &["nginx.conf", "keybearer-question.conf", "keybearer-identity.conf"],
    // The documented file belongs into http {}, and the package's own temporary places need root.
    around: &[(
        "around.conf",
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\n    access_log off;\n    \
         client_body_temp_path body;\n    proxy_temp_path proxy;\n    fastcgi_temp_path fastcgi;\n    uwsgi_temp_path uwsgi;\n    \
         scgi_temp_path scgi;\n    include nginx.conf;\n}\n",
    )],
    program: "nginx",
    arguments: &["-p", ".", "-c", "around.conf"],
    serve: &["--trusted-proxy", "unix"],
    instead: &[],
    made: &[],
    down: 500,
    silent: 500,
    cookies: 20_000,
    leaves_own: true,
};

pub const CADDY: Gateway = Gateway {
    files: &["Caddyfile"],
    around: &[],
    program: "caddy",
    arguments: &["run", "--adapter", "caddyfile", "--config", "Caddyfile"],
    serve: &["--trusted-proxy", "unix"],
    instead: &[],
    made: &[],
    down: 502,
    silent: 504,
    cookies: 20_000,
    leaves_own: true,
};

pub const HAPROXY: Gateway = Gateway {
    files: &["haproxy.cfg", "keybearer.lua"],
    around: &[],
    program: "haproxy",
    arguments: &["-db", "-f", "haproxy.cfg"],
    serve: &["--trusted-proxy", "unix"],
    instead: &[],
    made: &[],
    down: 503,
    silent: 503,
    // All of a request must fit its buffer.
    cookies: 12_000,
    leaves_own: true,
};

pub const ENVOY: Gateway = Gateway {
    files: &["envoy.yaml"],
    around: &[],
    program: "envoy",
    arguments: &["-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"],
    // Envoy adds its machine's own address to X-Forwarded-For when it asks (docs/gateways/README.md).
    serve: &["--trusted-proxy", "127.0.0.1,{machine}"],
    instead: &[],
    made: &[],
    down: 503,
    silent: 503,
    cookies: 20_000,
    leaves_own: false,
};

pub const ENVOY_GRPC: Gateway = Gateway {
    files: &["envoy-grpc.yaml"],
    arguments: &["-c", "envoy-grpc.yaml", "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"],
    serve: &["--grpc-listen", "{grpc}"],
    leaves_own: true,
    ..ENVOY
};

fn keeps_every_promise(gateway: &Gateway) {
    promises::keep(&mut Stage::start(gateway));
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn nginx_keeps_every_promise() {
    keeps_every_promise(&NGINX);
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn caddy_keeps_every_promise() {
    keeps_every_promise(&CADDY);
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn haproxy_keeps_every_promise() {
    keeps_every_promise(&HAPROXY);
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn envoy_keeps_every_promise() {
    keeps_every_promise(&ENVOY);
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn envoy_over_grpc_keeps_every_promise() {
    let mut stage = Stage::start(&ENVOY_GRPC);
    let key = stage.home.key(&["--scope", "orders:read"]);
    stage.passed("/orders/1", &[&key.bearer()]);
    let line = format!("200 key={} owner={OWNER}", key.id);
    let patience = Instant::now() + Duration::from_secs(20);
    while !stage.log().contains(&line) {
        assert!(Instant::now() < patience, "the metadata of a verdict is not in Envoy's log:\n{}", stage.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    promises::keep(&mut stage);
}

/// Envoy's default: it joins the lines of a repeated header.
#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn envoy_over_grpc_keeps_every_promise_with_joined_headers() {
    keeps_every_promise(&Gateway {
        instead: &[("encode_raw_headers: true", "encode_raw_headers: false")],
        ..ENVOY_GRPC
    });
}

/// As the page says for an Envoy on the same machine. Envoy runs in its home.
#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn envoy_over_grpc_also_asks_a_unix_socket() {
    let mut stage = Stage::start(&Gateway {
        instead: &[("socket_address: { address: 127.0.0.1, port_value: 8081 }", "pipe: { path: grpc.sock }")],
        serve: &["--grpc-listen", "unix:{home}/grpc.sock"],
        ..ENVOY_GRPC
    });
    let here = stage.home.key(&["--scope", "orders:read", "--allow-ip", "127.0.0.1"]);
    let received = stage.passed("/orders/1", &[&here.bearer()]);
    assert_eq!(client::fields(&received, "X-Auth-Key-Id"), [&*here.id], "{received}");
    let elsewhere = stage.home.key(&["--scope", "orders:read", "--allow-ip", "203.0.113.7"]);
    stage.refused("/orders/1", &[&elsewhere.bearer(), "X-Forwarded-For: 203.0.113.7"], 403);
    stage.stop_keybearer();
    stage.refused("/orders/1", &[&here.bearer()], 503);
}

/// As the files say for a Keybearer on another machine.
#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn gateways_also_ask_an_address_and_a_port() {
    let nginx = Gateway { instead: &[("unix:/run/keybearer/http.sock", "127.0.0.1:8080")], ..NGINX };
    let caddy = Gateway { instead: &[("unix//run/keybearer/http.sock", "127.0.0.1:8080")], ..CADDY };
    let haproxy = Gateway { instead: &[("unix@/run/keybearer/http.sock", "ipv4@127.0.0.1:8080")], ..HAPROXY };
    for gateway in [nginx, caddy, haproxy] {
        let stage = Stage::start(&Gateway { serve: &["--trusted-proxy", "127.0.0.1"], ..gateway });
        std::fs::remove_file(stage.home.socket()).unwrap();
        let here = stage.home.key(&["--scope", "orders:read", "--allow-ip", "127.0.0.1"]);
        let received = stage.passed("/orders/1", &[&here.bearer(), "X-Forwarded-For: 203.0.113.7"]);
        assert_eq!(client::fields(&received, "X-Auth-Key-Id"), [&*here.id], "{received}");
        let elsewhere = stage.home.key(&["--scope", "orders:read", "--allow-ip", "203.0.113.7"]);
        stage.refused("/orders/1", &[&elsewhere.bearer(), "X-Forwarded-For: 203.0.113.7"], 403);
        stage.refused("/orders/1", &[], 401);
    }
}

/// The short configuration of the project's README, in its own server; its API listens on 3000.
fn readme() -> String {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let block =
        blocks(&readme).into_iter().find(|(language, _)| *language == "nginx").unwrap().1.replace("3000", "9000");
    format!("server {{\n    listen 127.0.0.1:8000;\n{block}}}\n")
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn nginx_as_configured_in_the_readme_passes_no_forged_identity() {
    let stage = Stage::start(&Gateway { files: &[], made: &[("nginx.conf", readme)], ..NGINX });
    let key = stage.home.key(&["--scope", "orders:read"]);
    let bearer = key.bearer();
    for line in promises::forged_lines() {
        let received = stage.passed("/orders/1", &[&line, &bearer, &line]);
        assert!(!received.contains("forged"), "{line}: {received}");
        let expected = [("X-Auth-Key-Id", &*key.id), ("X-Auth-Owner", OWNER), ("X-Auth-Scopes", "orders:read")];
        for (name, value) in expected {
            assert_eq!(client::fields(&received, name), [value], "{line}: {received}");
        }
    }
    stage.refused("/orders/1", &[], 401);
    stage.refused("/orders/1", &[&stage.home.key(&[]).bearer()], 403);
    let elsewhere = stage.home.key(&["--scope", "orders:read", "--allow-ip", "203.0.113.0/24"]).bearer();
    stage.refused("/orders/1", &[&elsewhere, "X-Forwarded-For: 203.0.113.5"], 403);
    let cookies = format!("Cookie: a={}", "x".repeat(7_000));
    stage.passed("/orders/1", &[&bearer, &cookies, &cookies, &cookies]);
}

/// The gateways that forward all of a client's fields; the others drop fields beyond their own limits.
#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn too_many_header_fields_get_431_with_the_reason() {
    for gateway in [NGINX, CADDY] {
        let stage = Stage::start(&gateway);
        let bearer = stage.home.key(&["--scope", "orders:read"]).bearer();
        let many: Vec<String> = (0..120).map(|number| format!("X-Field-{number}: a")).collect();
        let long = format!("X-Long: {}", "x".repeat(6_000));
        let many: Vec<&str> = many.iter().map(String::as_str).chain([&*bearer]).collect();
        for lines in [many, vec![&*bearer, &long, &long, &long]] {
            let answer = stage.refused("/orders/1", &lines, 431);
            assert!(answer.body.contains("\"code\":\"headers_too_large\""), "{}", answer.body);
        }
        stage.passed("/orders/1", &[&bearer]);
    }
}
