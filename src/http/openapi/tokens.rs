//! `/api/v1/tokens`.

use super::operation::Operation;
use crate::http::api::tokens::{TokenBody, TokenJson};

const TOKENS: &str = "Tokens";
const PATH: &str = "/api/v1/tokens";

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(TOKENS, "post", PATH, "issueToken", "A password, or a refresh token, against a token")
            .told(
                "E-mail and password come by HTTP Basic or in the body. A token is a key that lives an hour. It may do \
                 what its user could let any key do; never what begins with `keybearer:`. A refresh token is good once: \
                 one that comes again ends all that followed from its log-in. After 30 days the password is needed again.",
            )
            .for_password()
            .may_take::<TokenBody>()
            .answers::<TokenJson>(200, "The token and its refresh token, this once.", &[]),
        Operation::new(TOKENS, "delete", PATH, "revokeToken", "Give a token back")
            .told("Its refresh token ends with it.")
            .for_any_key()
            .refuses(&[409])
            .answers_empty(204, "Revoked.", &[]),
    ]
}
