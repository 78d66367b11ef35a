//! The OpenAPI 3.1 document: what programs can call. It is collected from the routes, which are described by the types
//! that their handlers read and write.

mod answers;
mod gateways;

use serde_json::{Map, Value, json};

use super::route::Route;
use super::schema::Operation;

/// The gateways' paths are not routes.
fn operations(routes: &[Route]) -> impl Iterator<Item = Operation> {
    routes.iter().filter_map(Route::operation).chain(gateways::operations())
}

/// The groups in display order.
const GROUPS: [(&str, &str); 8] = [
    ("The key itself", "What any key can do with itself: read its record and revoke itself."),
    ("Keys", "Managing keys with a key. A key can grant only the scopes it has."),
    ("People", "For admins’ keys: users and the audit log."),
    ("Leaks", "For whoever finds a key where it should not be; no key is needed."),
    ("Tokens", "For people’s programs: a short-lived key in exchange for email and password."),
    ("OAuth", "For standard clients and resource servers: introspection, revocation, client credentials."),
    ("Gateways", "Gateways ask here, for each request, whether its key is valid."),
    ("Server", "For supervisors, monitoring and tools."),
];

pub fn document(public_url: &str, routes: &[Route]) -> Value {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for operation in operations(routes) {
        for (name, schema) in &operation.schemas {
            schemas.insert(name.clone(), schema.clone());
        }
        let item = paths.entry(operation.path()).or_insert_with(|| json!({}));
        item[operation.method()] = operation.json();
    }
    for (name, schema) in answers::schemas() {
        schemas.insert(name, schema);
    }
    let tags: Vec<Value> =
        GROUPS.iter().map(|(name, description)| json!({ "name": name, "description": description })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Keybearer",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Create, verify and revoke API keys. Times are RFC 3339 in UTC. Errors are \
                application/problem+json with a `code`; each response has an `X-Request-Id`.",
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": public_url }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": answers::responses(),
            "headers": answers::headers(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`Authorization: Bearer <key>`: a key, or a token of `POST /api/v1/tokens`.",
                },
                "apiKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-API-Key",
                    "description": "The same key in another header.",
                },
                "client": { "type": "http", "scheme": "basic", "description": "A key’s ID as the user name and the key as the password." },
                "password": { "type": "http", "scheme": "basic", "description": "Email and password." },
            },
        },
    })
}
