//! `/auth…`: any method and any suffix. OpenAPI cannot express that, so each endpoint is listed once.

use crate::http::access::Access;
use crate::http::schema::{Operation, field};

const GATEWAYS: &str = "Gateways";
const IDENTITY: [&str; 5] = ["X-Auth-Key-Id", "X-Auth-Owner", "X-Auth-Owner-Id", "X-Auth-Scopes", "X-Auth-Identity"];

fn with_query(operation: Operation) -> Operation {
    let scope = "The scopes that the key must have, separated by spaces or commas.";
    operation.parameter("query", "scope", field::any_text(), scope).parameter(
        "query",
        "policy",
        field::any_text(),
        "The name of a policy in the settings file.",
    )
}

pub fn operations() -> Vec<Operation> {
    let summary = "Check a request’s key, for Caddy, Traefik, APISIX and HAProxy";
    let plain = with_query(Operation::new(GATEWAYS, "authorize", summary))
        .described_as(
            "Any method and any path below it; a body is not read. The operator of the gateway sets the query.",
        )
        .answers_empty(200, "The key is valid. Every identity header is present, possibly empty.", &IDENTITY);
    let nginx = with_query(Operation::new(GATEWAYS, "authorizeNginx", "The same, for nginx"))
        .described_as("Refuses only with 401 and 403: what would be 429 or 503 is 403 with `X-Auth-Status`.")
        .answers_empty(200, "The key is valid.", &IDENTITY);
    let envoy = "Check a request’s key against a policy, for Envoy";
    let envoy = Operation::new(GATEWAYS, "authorizeEnvoy", envoy)
        .described_as(
            "Any method and any path below it. What follows the policy’s name comes from the client and is not read.",
        )
        .parameter("path", "policy", field::any_text(), "The name of a policy in the settings file.")
        .answers_empty(200, "The key is valid.", &IDENTITY);
    let on = |operation: Operation, path| operation.on("GET", path, Access::Key);
    vec![on(plain, "/auth"), on(nginx, "/auth/nginx"), on(envoy, "/auth/envoy/{policy}")]
}
