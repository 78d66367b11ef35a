//! `/auth…`: any method, any suffix. OpenAPI has no word for that, so each door is told of once.

use super::field;
use super::operation::Operation;

const GATEWAYS: &str = "Gateways";
const IDENTITY: [&str; 5] = ["X-Auth-Key-Id", "X-Auth-Owner", "X-Auth-Owner-Id", "X-Auth-Scopes", "X-Auth-Identity"];

fn with_query(operation: Operation) -> Operation {
    let scope = "What the key must be able to do: plain scopes, separated by blanks or commas.";
    operation.parameter("query", "scope", field::any_text(), scope).parameter(
        "query",
        "policy",
        field::any_text(),
        "A policy of the settings file, by its name.",
    )
}

pub fn operations() -> Vec<Operation> {
    let summary = "Judge this request's key, for Caddy, Traefik, APISIX and HAProxy";
    let plain = with_query(Operation::new(GATEWAYS, "get", "/auth", "authorize", summary))
        .told("Any method and any suffix; a body is not read. The query is the gateway's operator's.")
        .for_any_key()
        .answers_empty(200, "A good key. Every identity header is there, empty or not.", &IDENTITY);
    let nginx = with_query(Operation::new(GATEWAYS, "get", "/auth/nginx", "authorizeNginx", "The same, for nginx"))
        .told("Refuses with 401 and 403 alone: what would be 429 or 503 is 403 with `X-Auth-Status`.")
        .for_any_key()
        .answers_empty(200, "A good key.", &IDENTITY);
    let envoy = "Judge this request's key by a policy, for Envoy";
    let envoy = Operation::new(GATEWAYS, "get", "/auth/envoy/{policy}", "authorizeEnvoy", envoy)
        .told("Any method and any suffix. What follows the policy's name is the client's and is not read.")
        .parameter("path", "policy", field::any_text(), "A policy of the settings file, by its name.")
        .for_any_key()
        .answers_empty(200, "A good key.", &IDENTITY);
    vec![plain, nginx, envoy]
}
