//! `X-Auth-Identity`: the signed copy of the identity headers, if it is requested.

use std::time::Duration;

use keybearer::testing::{Asking, Basis, Expiry, KeyChange, KeyId, Policies, Policy, Role, ScopeSet, SigningAlgorithm};
use serde_json::{Value, json};

use crate::harness::{Home, MEMBER, Server};

/// `signed` requires it, `plain` does not.
pub fn policies() -> Policies {
    let policy = || Policy::parse([], true).unwrap();
    Policies::parse([("signed".to_owned(), policy().with_identity()), ("plain".to_owned(), policy())]).unwrap()
}

async fn signed(server: &Server, key: &str, url: &str) -> String {
    let answer = server.bearer(key).get(url).await;
    assert_eq!(answer.status, 200, "{url}: {answer:?}");
    answer.header("x-auth-identity").to_owned()
}

/// The claims, after verifying them as an API would, with only the published keys.
async fn checked(server: &Server, jwt: &str) -> Value {
    let header = jsonwebtoken::decode_header(jwt).unwrap();
    let jwks = server.anon().get("/.well-known/jwks.json").await.body;
    let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&jwks).unwrap();
    let jwk = jwks.find(header.kid.as_deref().unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(header.alg);
    validation.validate_exp = false; // the test's clock is not the library's
    validation.set_issuer(&["http://keys.test"]);
    let key = jsonwebtoken::DecodingKey::from_jwk(jwk).unwrap();
    assert_eq!(header.typ.as_deref(), Some("identity+jwt"));
    jsonwebtoken::decode(jwt, &key, &validation).unwrap().claims
}

#[tokio::test]
async fn an_allowed_request_has_a_signed_identity_if_requested() {
    let server = Server::with(|settings| settings.policies = policies());
    let (id, key) = server.key(&["orders:read", "stock:*"]).await;
    let owner = server.user(MEMBER, Role::Member).await.id.to_string();
    let now = server.site.auth.now().seconds();
    let expected = json!({
        "iss": "http://keys.test", "sub": owner, "client_id": id, "username": MEMBER, "scope": "orders:read stock:*",
        "iat": now - 5, "nbf": now - 5, "exp": now + 60,
    });
    for url in [
        "/auth?identity=1",
        "/auth/x?policy=plain&identity=1",
        "/auth?policy=signed",
        "/auth/nginx?policy=signed",
        "/auth/envoy/signed/a?identity=0",
    ] {
        let jwt = signed(&server, &key, url).await;
        assert_eq!(checked(&server, &jwt).await, expected, "{url}");
        assert_eq!(jsonwebtoken::decode_header(&jwt).unwrap().alg, jsonwebtoken::Algorithm::EdDSA);
    }
    for url in ["/auth", "/auth?policy=plain", "/auth/envoy/plain/a?identity=1"] {
        assert_eq!(signed(&server, &key, url).await, "", "{url}");
    }
    let nobody = server.anon().get("/auth?policy=signed").await;
    assert_eq!((nobody.status, nobody.header("x-auth-identity")), (200, ""));
    let refused = server.bearer(&key).get("/auth?policy=signed&scope=other").await;
    assert_eq!((refused.status, refused.header("x-auth-identity")), (403, ""));
    assert_eq!(server.bearer(&key).get("/auth?identity=yes").await.problem(), (400, "invalid_request".into()));
}

#[tokio::test]
async fn an_identity_is_signed_again_after_half_its_lifetime_or_any_change() {
    let server = Server::with(|settings| settings.policies = policies());
    let (id, key) = server.key(&["orders:read"]).await;
    let url = "/auth?policy=signed";
    let first = signed(&server, &key, url).await;
    server.clock.advance(Duration::from_secs(29));
    assert_eq!(signed(&server, &key, url).await, first);
    let other = signed(&server, &server.key(&["orders:read"]).await.1, url).await;
    assert_ne!(checked(&server, &other).await["client_id"], id);
    server.clock.advance(Duration::from_secs(1));
    let second = signed(&server, &key, url).await;
    assert_ne!(second, first);
    // Each change shows at the next request, whatever is kept.
    let (operator, key_id) = (Asking::operator(), KeyId::parse(&id).unwrap());
    let change = async |change: KeyChange| {
        server.site.auth.change_key(&operator, key_id, change, Basis::Anything).await.unwrap();
        checked(&server, &signed(&server, &key, url).await).await
    };
    let scopes = Some(ScopeSet::parse(["stock:read"]).unwrap());
    assert_eq!(change(KeyChange { scopes, ..KeyChange::default() }).await["scope"], "stock:read");
    let end = server.site.auth.now().plus(Duration::from_secs(7));
    let expiry = Some(Expiry::At(end));
    assert_eq!(change(KeyChange { expiry, ..KeyChange::default() }).await["exp"], end.seconds());
    let rename = format!("UPDATE users SET email = 'lovelace@example.com' WHERE email = '{MEMBER}'");
    assert_eq!(server.home.execute(rename), 1);
    let holds =
        async || checked(&server, &signed(&server, &key, url).await).await["username"] == "lovelace@example.com";
    crate::harness::eventually(Duration::from_secs(2), "the owner's new address", holds).await;
    server.home.run(&["keys", "revoke", &id]);
    let refused = server.bearer(&key).get(url).await;
    assert_eq!((refused.status, refused.header("x-auth-identity")), (401, ""));
}

#[tokio::test]
async fn the_operator_can_choose_rsa_signatures() {
    let rsa = SigningAlgorithm::Rs256;
    let server = Server::set(&Home::new(), |settings| settings.auth.signing.identity_algorithm = rsa);
    let (id, key) = server.key(&[]).await;
    let jwt = signed(&server, &key, "/auth?identity=1").await;
    assert_eq!(jsonwebtoken::decode_header(&jwt).unwrap().alg, jsonwebtoken::Algorithm::RS256);
    assert_eq!(checked(&server, &jwt).await["client_id"], id);
}

#[tokio::test]
async fn concurrent_keys_each_get_their_own_identity() {
    let server = Server::start();
    let keys = server.keys(16).await;
    let clients = keys.iter().map(|(id, key)| {
        let bearer = server.bearer(key);
        async move {
            for _ in 0..20 {
                let answer = bearer.get("/auth?identity=1").await;
                let jwt = answer.header("x-auth-identity").to_owned();
                let claims = jwt.split('.').nth(1).unwrap();
                let claims = data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap();
                let claims: Value = serde_json::from_slice(&claims).unwrap();
                assert_eq!(claims["client_id"], *id);
            }
        }
    });
    futures_util::future::join_all(clients).await;
}
