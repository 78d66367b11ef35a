//! `/api/v1/tokens`.

use super::operation::Operation;
use crate::http::api::tokens::{TokenBody, TokenJson};

const TOKENS: &str = "Tokens";
const PATH: &str = "/api/v1/tokens";

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(TOKENS, "post", PATH, "issueToken", "Exchange a password or a refresh token for a token")
            .described_as(
                "Send email and password by HTTP Basic or in the body. A token is a key that expires after an hour. It can \
                 have any scope that its user could give a key, except those that begin with `keybearer:`. A refresh \
                 token works once; reusing it revokes all tokens of that login. After 30 days the password is needed again.",
            )
            .for_password()
            .may_take::<TokenBody>()
            .answers::<TokenJson>(200, "The token and its refresh token; they are returned only once.", &[]),
        Operation::new(TOKENS, "delete", PATH, "revokeToken", "Revoke a token")
            .described_as("This also revokes its refresh token.")
            .for_any_key()
            .refuses(&[409])
            .answers_empty(204, "Revoked.", &[]),
    ]
}
