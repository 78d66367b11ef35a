//! The gateways that are installed, each with its documented files.

use std::time::{Duration, Instant};

use super::gateway::{Gateway, Stage};
use super::home::OWNER;
use super::promises;

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
    serve: &[],
    instead: &[],
    down: 500,
    silent: 500,
};

pub const CADDY: Gateway = Gateway {
    files: &["Caddyfile"],
    around: &[],
    program: "caddy",
    arguments: &["run", "--adapter", "caddyfile", "--config", "Caddyfile"],
    serve: &[],
    instead: &[],
    down: 502,
    silent: 504,
};

pub const HAPROXY: Gateway = Gateway {
    files: &["haproxy.cfg", "keybearer.lua"],
    around: &[],
    program: "haproxy",
    arguments: &["-db", "-f", "haproxy.cfg"],
    serve: &[],
    instead: &[],
    down: 503,
    silent: 503,
};

pub const ENVOY: Gateway = Gateway {
    files: &["envoy.yaml"],
    around: &[],
    program: "envoy",
    arguments: &["-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"],
    // Envoy adds its machine's own address to X-Forwarded-For when it asks (docs/gateways/README.md).
    serve: &["--trusted-proxy", "127.0.0.1,{machine}"],
    instead: &[],
    down: 503,
    silent: 503,
};

pub const ENVOY_GRPC: Gateway = Gateway {
    files: &["envoy-grpc.yaml"],
    arguments: &["-c", "envoy-grpc.yaml", "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"],
    serve: &["--grpc-listen", "{grpc}"],
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

/// Envoy's own default: the lines of a doubled header come joined.
#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn envoy_over_grpc_keeps_every_promise_with_joined_headers() {
    keeps_every_promise(&Gateway {
        instead: &[("encode_raw_headers: true", "encode_raw_headers: false")],
        ..ENVOY_GRPC
    });
}
