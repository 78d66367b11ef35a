//! The OpenAPI 3.1 document: what programs can call, generated from the types that handlers read and write. A test
//! compares it with the routing table. Any live key can read it; the document is not public.

mod answers;
pub mod field;
mod gateways;
mod keys;
mod oauth;
mod operation;
mod people;
mod server;
mod tokens;

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use super::SiteRef;
use super::bearer::Bearer;
use operation::Operation;

/// One list per group of routes; a new group is one more line here.
fn operations() -> Vec<Operation> {
    let families = [
        keys::operations(),
        people::operations(),
        tokens::operations(),
        oauth::operations(),
        gateways::operations(),
        server::operations(),
    ];
    families.into_iter().flatten().collect()
}

/// The groups in display order.
const GROUPS: [(&str, &str); 7] = [
    ("The key itself", "What any key can do with itself: read its record and revoke itself."),
    ("Keys", "Managing keys with a key. A key can grant only the scopes it has."),
    ("People", "For admins’ keys: users and the audit log."),
    ("Tokens", "For people’s programs: a short-lived key in exchange for email and password."),
    ("OAuth", "For standard clients and resource servers: introspection, revocation, client credentials."),
    ("Gateways", "Gateways ask here, for each request, whether its key is valid."),
    ("Server", "For supervisors, monitoring and tools."),
];

pub fn document(public_url: &str) -> Value {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for operation in operations() {
        for (name, schema) in &operation.schemas {
            schemas.insert(name.clone(), schema.clone());
        }
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        item[operation.method] = operation.json();
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

/// `GET /api/v1/openapi.json`.
pub async fn show(site: SiteRef, _: Bearer) -> HttpResponse {
    HttpResponse::Ok().json(&site.openapi)
}
