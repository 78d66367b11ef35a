//! `/api/v1/keys…`.

use super::field;
use super::operation::Operation;
use crate::http::api::KeyJson;
use crate::http::api::key_body::{KeyChangeBody, NewKeyBody};
use crate::http::api::keys::{VerdictJson, VerifyBody};
use crate::http::api::manage::{KeyPage, MadeKeyJson};
use crate::http::api::rotation::RotateBody;
use crate::model::Scope;

const OWN: &str = "The key itself";
const KEYS: &str = "Keys";
/// docs/reference.md describes the same search.
const SEARCHED: &str = "Any part of a name, hint or owner's email among the newest 10,000 keys; older keys are matched \
    by the start of the name or email, or by the whole hint or ID. Letters outside ASCII are case-sensitive.";
const LEADS: [&str; 4] = ["getKey", "changeKey", "rotateKey", "revokeKey"];

fn repeatable(operation: Operation) -> Operation {
    let description = "Identifies this request. Sent again with the same value and body within a day, it creates no \
        second key and returns 200 with the record, without the key.";
    let name = utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::String)
        // White space around a field value is not part of it (RFC 9110 §5.5).
        .pattern(Some(r"^[ \t]*[!-~]([ -~]{0,253}[!-~])?[ \t]*$"))
        .build();
    operation.header("Idempotency-Key", name, description).refuses(&[409])
}

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(OWN, "get", "/api/v1/keys/current", "getCurrentKey", "Returns the calling key")
            .for_any_key()
            .answers::<KeyJson>(200, "The record.", &["RateLimit", "RateLimit-Policy"]),
        Operation::new(
            OWN,
            "delete",
            "/api/v1/keys/current",
            "revokeCurrentKey",
            "Permanently revokes the calling key",
        )
        .for_any_key()
        .answers_empty(204, "Revoked. The next request with it is refused.", &[]),
        Operation::new(KEYS, "post", "/api/v1/keys/verify", "verifyKey", "Verify a key")
            .described_as("Always 200; `code` says why a key is refused.")
            .for_scope(Scope::VERIFY)
            .takes::<VerifyBody>()
            .answers::<VerdictJson>(200, "The verdict.", &[]),
        Operation::new(KEYS, "get", "/api/v1/keys", "listKeys", "List keys, newest first")
            .described_as("Tokens are not listed.")
            .for_scope(Scope::KEYS)
            .query("owner", field::any_text(), "Keys of this user: email or ID.")
            .query("search", field::search(), SEARCHED)
            .query("enabled", field::truth(), "Only these.")
            .paged()
            .answers::<KeyPage>(200, "One page.", &[]),
        repeatable(Operation::new(KEYS, "post", "/api/v1/keys", "createKey", "Create a key"))
            .described_as(
                "Only this response contains the key itself. It expires after 90 days unless the body says otherwise.",
            )
            .for_scope(Scope::KEYS)
            .takes::<NewKeyBody>()
            .answers::<MadeKeyJson>(201, "The record, and the key.", &["Location", "ETag"])
            .answers::<KeyJson>(200, "This request created this key before.", &["ETag"])
            .leads_to(201, &LEADS),
        Operation::new(KEYS, "get", "/api/v1/keys/{id}", "getKey", "One key's record")
            .for_scope(Scope::KEYS)
            .refuses(&[404])
            .answers::<KeyJson>(200, "The record.", &["ETag"]),
        Operation::new(KEYS, "patch", "/api/v1/keys/{id}", "changeKey", "Change a key")
            .described_as("An absent field is unchanged; `null` clears it. In force when the response is sent.")
            .for_scope(Scope::KEYS)
            .if_match()
            .takes::<KeyChangeBody>()
            .refuses(&[404, 409])
            .answers::<KeyJson>(200, "The record after the change.", &["ETag"]),
        Operation::new(KEYS, "delete", "/api/v1/keys/{id}", "revokeKey", "Permanently revoke a key")
            .for_scope(Scope::KEYS)
            .if_match()
            .refuses(&[404])
            .answers_empty(204, "Revoked. The next request with it is refused.", &[]),
        repeatable(Operation::new(
            KEYS,
            "post",
            "/api/v1/keys/{id}/rotate",
            "rotateKey",
            "Replace a key with a new one",
        ))
        .described_as(
            "The new key has the same settings, including the lifetime. The old key is revoked at once, or keeps \
                 working for the `overlap`.",
        )
        .for_scope(Scope::KEYS)
        .if_match()
        .may_take::<RotateBody>()
        .refuses(&[404])
        .answers::<MadeKeyJson>(201, "The new record, and the new key.", &["Location", "ETag"])
        .answers::<KeyJson>(200, "This request created this key before.", &["ETag"])
        .leads_to(201, &LEADS),
    ]
}
