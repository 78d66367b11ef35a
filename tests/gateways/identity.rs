//! `X-Auth-Identity`, if the policy requires it, through each gateway to the API.

use data_encoding::BASE64URL_NOPAD;

use super::client;
use super::gateway::{Gateway, Stage};
use super::home::{Home, OWNER, documented};
use super::real::{CADDY, ENVOY, ENVOY_GRPC, HAPROXY, NGINX};

/// The documented policies; one of them requires an identity.
fn signed(home: &Home) {
    let text = documented("keybearer.toml");
    let asked = "scopes = [\"orders:read\"]";
    assert!(text.contains(asked), "{text}");
    home.write("signed.toml", &text.replace(asked, &format!("{asked}\nidentity = true")));
    // The server finds its keys: nobody has to wait for them.
    home.run(&["signing-keys", "rotate"]);
}

fn carries_a_signed_identity(gateway: Gateway, serve: &'static [&'static str]) {
    let stage = Stage::prepared(&Gateway { serve, ..gateway }, signed);
    let key = stage.home.key(&["--scope", "orders:read"]);
    let received = stage.passed("/orders/1", &[&key.bearer(), "X-Auth-Identity: forged"]);
    let [jwt] = client::fields(&received, "X-Auth-Identity")[..] else { panic!("{received}") };
    let claims = BASE64URL_NOPAD.decode(jwt.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["client_id"], &claims["username"]), (&key.id.as_str().into(), &OWNER.into()), "{claims}");
    assert_eq!(claims["scope"], "orders:read");
    let received = stage.passed("/else", &[&key.bearer(), "X-Auth-Identity: forged"]);
    assert!(client::fields(&received, "X-Auth-Identity").iter().all(|value| value.is_empty()), "{received}");
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn nginx_carries_a_signed_identity() {
    carries_a_signed_identity(NGINX, &["--config", "signed.toml"]);
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn caddy_carries_a_signed_identity() {
    carries_a_signed_identity(CADDY, &["--config", "signed.toml"]);
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn haproxy_carries_a_signed_identity() {
    carries_a_signed_identity(HAPROXY, &["--config", "signed.toml"]);
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn envoy_carries_a_signed_identity() {
    carries_a_signed_identity(ENVOY, &["--config", "signed.toml", "--trusted-proxy", "127.0.0.1,{machine}"]);
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn envoy_over_grpc_carries_a_signed_identity() {
    carries_a_signed_identity(ENVOY_GRPC, &["--config", "signed.toml", "--grpc-listen", "{grpc}"]);
}
