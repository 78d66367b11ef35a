//! Envoy's ext_authz over gRPC, called by a small client that can also send what Envoy never would.

mod envoy;
mod health;
mod process;
mod verdicts;
mod wire;

use keybearer::testing::{HttpSettings, Policies, Policy};

use crate::harness::Server;

/// A server with a gRPC listener and the policies of `docs/gateways/keybearer.toml`, and one that lets
/// preflights pass.
fn start() -> Server {
    Server::with(with_grpc)
}

fn with_grpc(settings: &mut HttpSettings) {
    let policy = |name: &str, scopes: &[&str], anonymous| {
        (name.to_owned(), Policy::parse(scopes.iter().copied(), anonymous).unwrap())
    };
    let (pages, read) = policy("pages", &["orders:read"], false);
    let policies = [
        policy("any-key", &[], false),
        policy("orders-read", &["orders:read"], false),
        policy("catalogue", &[], true),
        (pages, read.with_preflight()),
    ];
    settings.policies = Policies::parse(policies).unwrap();
    settings.grpc_listen = Some(([127, 0, 0, 1], 0).into());
}
