//! `/oauth/…` and `/.well-known/…`: what standard clients send, and what they and others get.

use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use keybearer::testing::{Asking, Basis, Expiry, KeyChange, KeyId, KeyRequest, Networks, RateLimit, Role, ScopeSet};
use serde_json::{Value, json};

use crate::harness::{ADMIN, Answer, MEMBER, Server, bytes, eventually, raw};

const INTROSPECT: &str = "/oauth/introspect";
const REVOKE: &str = "/oauth/revoke";
const TOKEN: &str = "/oauth/token";
const INACTIVE: &str = "{\"active\":false}";

/// Key id and key as HTTP Basic.
async fn basic(server: &Server, path: &str, (id, key): (&str, &str), fields: &[(&str, &str)]) -> Answer {
    let anon = server.anon();
    let credential = BASE64.encode(format!("{id}:{key}").as_bytes());
    anon.send(anon.request("POST", path).header("authorization", format!("Basic {credential}")).form(fields)).await
}

async fn token(server: &Server, client: (&str, &str), fields: &[(&str, &str)]) -> Answer {
    basic(server, TOKEN, client, &[&[("grant_type", "client_credentials")], fields].concat()).await
}

/// An access token of this key.
async fn access(server: &Server, client: (&str, &str)) -> String {
    token(server, client, &[]).await.json()["access_token"].as_str().unwrap().to_owned()
}

/// The introspection response for a resource server that may verify.
async fn introspect(server: &Server, token: &str) -> Value {
    let verifier = server.bearer(&server.key(&["keybearer:verify"]).await.1);
    let answer = verifier.post(INTROSPECT, &[("token", token)]).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{answer:?}");
    let response = answer.json();
    assert!(response["active"] == true || answer.body == INACTIVE, "{answer:?}");
    response
}

/// The status and the RFC's name of an error, after checking its format.
fn error(answer: &Answer) -> (u16, String) {
    let body = answer.json();
    assert_eq!((answer.header("content-type"), answer.header("cache-control")), ("application/json", "no-store"));
    let description = body["error_description"].as_str().unwrap_or_else(|| panic!("{answer:?}"));
    // RFC 6749 §5.2.
    assert!(description.bytes().all(|b| (0x20..=0x7e).contains(&b) && b != b'"' && b != b'\\'), "{answer:?}");
    assert_eq!((&body["status"], &body["request_id"]), (&json!(answer.status), &json!(answer.header("x-request-id"))));
    (answer.status, body["error"].as_str().unwrap().to_owned())
}

fn is(status: u16, name: &str) -> (u16, String) {
    (status, name.to_owned())
}

fn part(jwt: &str, number: usize) -> Value {
    let part = jwt.split('.').nth(number).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn introspection_returns_the_owner_of_a_key() {
    let server = Server::start();
    let end = Expiry::At(server.site.auth.now().plus(Duration::from_secs(3600)));
    let (id, key) =
        server.key_of(MEMBER, &["orders:read", "stock:*"], |new| new.settings.expires_at = end.time()).await;
    let owner = server.user(MEMBER, Role::Member).await.id.to_string();
    let now = server.site.auth.now().seconds();
    let expected = json!({
        "active": true, "scope": "orders:read stock:*", "client_id": id, "username": MEMBER, "token_type": "Bearer",
        "exp": now + 3600, "iat": now, "sub": owner, "iss": "http://keys.test", "jti": id,
    });
    assert_eq!(introspect(&server, &key).await, expected);
    let (_, forever) = server.key(&[]).await;
    let response = introspect(&server, &forever).await;
    assert_eq!((response.get("exp"), &response["scope"]), (None, &json!("")));
}

#[tokio::test]
async fn introspecting_a_dead_token_reveals_nothing() {
    let server = Server::start();
    let admin = server.admin().await;
    let soon = Expiry::At(server.site.auth.now().plus(Duration::from_secs(1)));
    let (_, expired) = server.key_of(MEMBER, &[], |new| new.settings.expires_at = soon.time()).await;
    let (disabled_id, disabled) = server.key(&[]).await;
    let (revoked_id, revoked) = server.key(&[]).await;
    let (_, of_gone) = server.key_of("gone@example.com", &[], |_| {}).await;
    let inside = Networks::parse(["10.0.0.0/8"]).unwrap();
    let (_, ranged) = server.key_of(MEMBER, &[], |new| new.settings.allowed_ips = inside).await;
    let gone = server.user("gone@example.com", Role::Member).await;
    server.clock.advance(Duration::from_secs(1));
    admin.form(&format!("/keys/{disabled_id}/disable"), &[]).await;
    admin.form(&format!("/keys/{revoked_id}/revoke"), &[]).await;
    admin.form(&format!("/users/{}/deactivate", gone.id), &[]).await;
    let unknown = "kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs";
    for token in [&expired, &disabled, &revoked, &of_gone, &ranged, unknown, "junk", "a.b.c", "' OR 1=1--", "\0"] {
        assert_eq!(introspect(&server, token).await, json!({ "active": false }), "{token}");
    }
    let verifier = server.bearer(&server.key(&["keybearer:verify"]).await.1);
    for (ip, active) in [("10.1.2.3", true), ("192.0.2.1", false)] {
        let response = verifier.post(INTROSPECT, &[("token", &ranged), ("ip", ip)]).await.json();
        assert_eq!(response["active"], active, "{ip}");
    }
    let answer = verifier.post(INTROSPECT, &[("token", &ranged), ("ip", "everywhere")]).await;
    assert_eq!(error(&answer), is(400, "invalid_request"));
    let hinted =
        verifier.post(INTROSPECT, &[("token", unknown), ("token_type_hint", "refresh_token"), ("x", "1")]).await;
    assert_eq!(hinted.body, INACTIVE);
}

#[tokio::test]
async fn introspecting_other_tokens_requires_the_verify_scope() {
    let server = Server::start();
    let (id, key) = server.key(&["orders:read"]).await;
    let (verifier_id, verifier) = server.key_of(ADMIN, &["keybearer:verify"], |_| {}).await;
    let (other_id, other) = server.key(&["*"]).await;
    let fields = [("token", key.as_str())];
    // In each of the three ways.
    assert_eq!(basic(&server, INTROSPECT, (&verifier_id, &verifier), &fields).await.json()["client_id"], id);
    let form = [("client_id", verifier_id.as_str()), ("client_secret", &verifier), ("token", &key)];
    assert_eq!(server.anon().post(INTROSPECT, &form).await.json()["client_id"], id);
    assert_eq!(server.bearer(&verifier).post(INTROSPECT, &fields).await.json()["client_id"], id);
    // Nobody, and somebody who may not: the same for a token that is there and one that is not.
    let jwt = access(&server, (&id, &key)).await;
    for token in [&key, &jwt, "junk"] {
        let answer = server.anon().post(INTROSPECT, &[("token", token)]).await;
        assert_eq!(error(&answer), is(401, "invalid_client"));
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"keybearer\"");
        let answer = server.bearer(&other).post(INTROSPECT, &[("token", token)]).await;
        assert_eq!(error(&answer), is(403, "insufficient_scope"));
        assert!(answer.header("www-authenticate").ends_with("scope=\"keybearer:verify\""), "{answer:?}");
        let answer = basic(&server, INTROSPECT, (&other_id, &other), &[("token", token)]).await;
        assert_eq!(error(&answer), is(403, "insufficient_scope"));
    }
    assert_eq!(server.bearer(&key).post(INTROSPECT, &fields).await.json()["client_id"], id);
    assert_eq!(server.bearer(&key).post(INTROSPECT, &[("token", &jwt)]).await.json()["client_id"], id);
}

#[tokio::test]
async fn a_client_must_authenticate_in_exactly_one_way() {
    let server = Server::start();
    let (id, key) = server.key_of(ADMIN, &["keybearer:verify"], |_| {}).await;
    let (other, _) = server.key(&[]).await;
    let fields = [("token", "x"), ("grant_type", "client_credentials")];
    for path in [INTROSPECT, REVOKE, TOKEN] {
        let wrong = [(&*id, "wrong"), (&*id, ""), (&*other, &*key), ("", &*key), (MEMBER, &*key)];
        for pair in wrong {
            let answer = basic(&server, path, pair, &fields).await;
            assert_eq!(error(&answer), is(401, "invalid_client"), "{path} {pair:?}");
            assert_eq!(answer.header("www-authenticate"), "Basic realm=\"keybearer\"", "{path} {pair:?}");
            let form = [&[("client_id", pair.0), ("client_secret", pair.1)], &fields[..]].concat();
            let answer = server.anon().post(path, &form).await;
            let expected = if pair.0.is_empty() { is(400, "invalid_request") } else { is(401, "invalid_client") };
            assert_eq!(answer.header("www-authenticate").is_empty(), answer.status != 401, "{path} {pair:?}");
            assert_eq!(error(&answer), expected, "{path} {pair:?}");
        }
        let both = [&[("client_id", id.as_str()), ("client_secret", &key)], &fields[..]].concat();
        let answer = basic(&server, path, (&id, &key), &both).await;
        assert_eq!(error(&answer), is(400, "invalid_request"), "{path}: two ways at once");
        let answer = basic(&server, path, (&id, &key), &[&[("client_id", other.as_str())], &fields[..]].concat()).await;
        assert_eq!(error(&answer), is(400, "invalid_request"), "{path}: two clients at once");
        let anon = server.anon();
        let request =
            anon.request("POST", path).form(&fields).header("x-api-key", &key).header("authorization", "Basic YTpi");
        assert_eq!(error(&anon.send(request).await), is(400, "invalid_request"), "{path}");
        // What is no credential here changes nothing: it is as if the key came alone, or the client alone.
        for value in ["", "Digest username=\"a\", realm=\"b\""] {
            let request = anon.request("POST", path).form(&fields).header("x-api-key", &key);
            let beside = anon.send(request.header("authorization", value)).await;
            let alone = anon.send(anon.request("POST", path).form(&fields).header("x-api-key", &key)).await;
            assert_eq!((beside.status, beside.whole()), (alone.status, alone.whole()), "{path} {value}");
            assert_eq!(alone.status == 401, path == TOKEN, "{path}");
        }
        let request = anon.request("POST", path).form(&fields).basic_auth(&id, Some(&key)).header("x-api-key", "");
        assert_ne!(anon.send(request).await.status, 401, "{path}");
        let request = anon.request("POST", path).form(&fields).header("authorization", format!("token {key}"));
        let response = anon.send(request).await;
        assert_eq!(response.status, 401, "{path}");
        assert!(response.json()["error_description"].as_str().unwrap().starts_with(match path {
            TOKEN => "Send the key's ID and the key",
            _ => "No key can be read in this request. Send it as",
        }));
        for twice in
            ["token=a&token=b&grant_type=client_credentials", "grant_type=client_credentials&token=a&grant_type=x"]
        {
            let request = anon.request("POST", path).basic_auth(&id, Some(&key)).body(twice);
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            assert_eq!(error(&anon.send(request).await), is(400, "invalid_request"), "{path} {twice}");
        }
        let request = anon.request("POST", &format!("{path}?token=x&grant_type=client_credentials"));
        let answer = anon.send(request.basic_auth(&id, Some(&key)).form(&[("x", "1")])).await;
        assert_eq!(error(&answer), is(400, "invalid_request"), "{path}: the query is not read");
        let request = anon.request("POST", path).basic_auth(&id, Some(&key)).header("content-type", "application/json");
        assert_eq!(error(&anon.send(request.body("{\"token\":\"x\"}")).await), is(400, "invalid_request"), "{path}");
    }
    // Form-encoded first, as RFC 6749 §2.3.1 wants it, to the last character.
    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    assert_eq!(token(&server, (&encode(&id), &encode(&key)), &[]).await.status, 200);
    assert_eq!(error(&server.bearer(&key).post(TOKEN, &fields).await), is(401, "invalid_client"));
}

#[tokio::test]
async fn an_imported_key_with_any_text_authenticates_its_client() {
    let server = Server::start();
    let (id, _) = server.key(&["orders:read"]).await;
    let text = "secret-token:a%41+b/c=";
    let digest = bytes(<sha2::Sha256 as sha2::Digest>::digest(text));
    let change = "prefix = NULL, hint = 'legacy' WHERE name = 'nightly job'";
    server.home.execute(format!("UPDATE keys SET digest = {digest}, {change}"));
    eventually(Duration::from_secs(2), "it opens", async || server.tries(text).await == 200).await;
    assert_eq!(token(&server, (&id, text), &[]).await.status, 200);
    assert_eq!(token(&server, (&id, "secret-token:a%2541%2Bb/c="), &[]).await.status, 200);
    assert_eq!(token(&server, (&id, "secret-token:aA+b/c="), &[]).await.status, 401);
    assert_eq!(introspect(&server, text).await["client_id"], id);
}

#[tokio::test]
async fn a_key_is_exchanged_for_a_short_lived_jwt() {
    let server = Server::start();
    let (id, key) = server.key_of(ADMIN, &["orders:*", "stock:read", "keybearer:verify"], |_| {}).await;
    let answer = token(&server, (&id, &key), &[]).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{answer:?}");
    let body = answer.json();
    let jwt = body["access_token"].as_str().unwrap();
    let expected =
        json!({ "access_token": jwt, "token_type": "Bearer", "expires_in": 600, "scope": "orders:* stock:read" });
    assert_eq!(body, expected, "scopes of ours are for this server alone");
    let jwks = server.anon().get("/.well-known/jwks.json").await.json();
    let signer = jwks["keys"].as_array().unwrap().iter().find(|key| key["alg"] == "RS256").unwrap();
    assert_eq!(part(jwt, 0), json!({ "typ": "at+jwt", "alg": "RS256", "kid": signer["kid"] }));
    let (now, claims) = (server.site.auth.now().seconds(), part(jwt, 1));
    let expected = json!({
        "iss": "http://keys.test", "aud": "http://keys.test", "sub": id, "client_id": id, "exp": now + 600,
        "iat": now - 5, "nbf": now - 5, "jti": claims["jti"], "scope": "orders:* stock:read",
    });
    assert_eq!(claims, expected, "good from a moment ago, for checkers whose clocks are behind");
    assert_ne!(part(&access(&server, (&id, &key)).await, 1)["jti"], claims["jti"]);
    let decoding = jsonwebtoken::DecodingKey::from_jwk(&serde_json::from_value(signer.clone()).unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    (validation.validate_exp, validation.validate_aud) = (false, false);
    jsonwebtoken::decode::<Value>(jwt, &decoding, &validation).unwrap();
    // It opens nothing here: this server takes keys.
    assert_eq!(server.tries(jwt).await, 401);
    assert_eq!(server.bearer(jwt).get("/auth").await.status, 401);
    assert_eq!(error(&server.bearer(jwt).post(INTROSPECT, &[("token", jwt)]).await), is(401, "invalid_token"));
}

#[tokio::test]
async fn a_token_has_only_the_requested_scopes_and_ends_with_its_key() {
    let server = Server::start();
    let end = Expiry::At(server.site.auth.now().plus(Duration::from_secs(60)));
    let (id, key) =
        server.key_of(ADMIN, &["orders:*", "keybearer:verify"], |new| new.settings.expires_at = end.time()).await;
    let asked = |fields: Vec<(&'static str, &'static str)>| {
        let (server, id, key) = (&server, &id, &key);
        async move { token(server, (id, key), &fields).await }
    };
    let narrow = asked(vec![("scope", "orders:read orders:eu:*"), ("resource", "https://api.test/orders")]).await;
    let claims = part(narrow.json()["access_token"].as_str().unwrap(), 1);
    assert_eq!(
        (&claims["scope"], &claims["aud"]),
        (&json!("orders:eu:* orders:read"), &json!("https://api.test/orders"))
    );
    assert_eq!(
        (claims["exp"].as_i64().unwrap() - server.site.auth.now().seconds(), &narrow.json()["expires_in"]),
        (60, &json!(60))
    );
    assert_eq!(asked(vec![("scope", "")]).await.json()["scope"], "orders:*", "without a value it is not there");
    for scope in ["stock:read", "orders:read stock:read", "*", "keybearer:verify", "a\"b", "or*ders", &"a".repeat(65)] {
        let answer = token(&server, (&id, &key), &[("scope", scope)]).await;
        assert_eq!(error(&answer), is(400, "invalid_scope"), "{scope}");
    }
    for resource in ["orders", "https://api.test/#x", "/orders", "https://api.test/ x"] {
        assert_eq!(error(&token(&server, (&id, &key), &[("resource", resource)]).await), is(400, "invalid_target"));
    }
    for (grant, name) in
        [("password", "unsupported_grant_type"), ("refresh_token", "unsupported_grant_type"), ("", "invalid_request")]
    {
        let answer = basic(&server, TOKEN, (&id, &key), &[("grant_type", grant), ("username", ADMIN)]).await;
        assert_eq!(error(&answer), is(400, name));
    }
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(error(&token(&server, (&id, &key), &[]).await), is(401, "invalid_client"));
}

#[tokio::test]
async fn a_jwt_is_inactive_as_soon_as_its_key_is() {
    let server = Server::start();
    let admin = server.admin().await;
    let (id, key) = server.key_of("carol@example.com", &["orders:*", "stock:read"], |_| {}).await;
    let carol = server.user("carol@example.com", Role::Member).await.id;
    let jwt = access(&server, (&id, &key)).await;
    let claims = part(&jwt, 1);
    let expected = json!({
        "active": true, "scope": "orders:* stock:read", "client_id": id, "username": "carol@example.com",
        "token_type": "Bearer", "exp": claims["exp"], "iat": claims["iat"], "sub": id, "aud": "http://keys.test",
        "iss": "http://keys.test", "jti": claims["jti"],
    });
    assert_eq!(introspect(&server, &jwt).await, expected);
    admin.form(&format!("/keys/{id}/disable"), &[]).await;
    assert_eq!(introspect(&server, &jwt).await["active"], false);
    admin.form(&format!("/keys/{id}/enable"), &[]).await;
    admin.form(&format!("/users/{carol}/deactivate"), &[]).await;
    assert_eq!(introspect(&server, &jwt).await["active"], false);
    admin.form(&format!("/users/{carol}/activate"), &[]).await;
    assert_eq!(introspect(&server, &jwt).await["active"], true);
    let lower = KeyChange { scopes: Some(ScopeSet::parse(["stock:read"]).unwrap()), ..KeyChange::default() };
    let key_id = KeyId::parse(&id).unwrap();
    server.site.auth.change_key(&Asking::operator(), key_id, lower, Basis::Anything).await.unwrap();
    assert_eq!(introspect(&server, &jwt).await["scope"], "stock:read");
    server.clock.advance(Duration::from_secs(599));
    assert_eq!(introspect(&server, &jwt).await["active"], true);
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(introspect(&server, &jwt).await["active"], false);
    let another = access(&server, (&id, &key)).await;
    server.home.run(&["keys", "revoke", &id]);
    assert_eq!(introspect(&server, &another).await["active"], false);
    assert_eq!(error(&token(&server, (&id, &key), &[]).await), is(401, "invalid_client"));
}

#[tokio::test]
async fn introspection_never_gives_different_verdicts_for_a_jwt_and_its_key() {
    let server = Server::with(|settings| settings.trusted_proxies = Networks::parse(["127.0.0.1"]).unwrap());
    let (operator, admin) = (Asking::operator(), server.admin().await);
    let inside = || Networks::parse(["10.0.0.0/8", "2001:db8::/32"]).unwrap();
    let verifier = server.bearer(&server.key(&["keybearer:verify"]).await.1);
    let active = async |token: &str, ip: Option<&str>| {
        let fields: Vec<_> = [Some(("token", token)), ip.map(|ip| ("ip", ip))].into_iter().flatten().collect();
        verifier.post(INTROSPECT, &fields).await.json()["active"].as_bool().unwrap()
    };
    let anon = server.anon();
    let access = async |id: &str, key: &str| {
        let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", key)];
        let answer = anon.send(anon.request("POST", TOKEN).form(&form).header("x-forwarded-for", "10.1.2.3")).await;
        answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    };
    for ranges in [Networks::default(), inside()] {
        let is_bound = !ranges.is_empty();
        let end = server.site.auth.now().plus(Duration::from_secs(300));
        let bound = |new: &mut KeyRequest| {
            (new.settings.allowed_ips, new.settings.expires_at) = (ranges, Some(end));
        };
        let (id, key) = server.key_of("carol@example.com", &["orders:read"], bound).await;
        let jwt = access(&id, &key).await;
        let agree = async |what: &str| {
            let mut any = false;
            for (ip, is_inside) in
                [(None, false), (Some("10.9.9.9"), true), (Some("2001:db8::7"), true), (Some("192.0.2.1"), false)]
            {
                let both = (active(&key, ip).await, active(&jwt, ip).await);
                assert_eq!(both.0, both.1, "{what}, ranges: {is_bound}, ip: {ip:?}");
                assert!(!both.0 || !is_bound || is_inside, "{what} {ip:?}");
                any |= both.0;
            }
            any
        };
        assert!(agree("live").await);
        let carol = server.user("carol@example.com", Role::Member).await.id;
        for (change, undo) in [
            (format!("/keys/{id}/disable"), format!("/keys/{id}/enable")),
            (format!("/users/{carol}/deactivate"), format!("/users/{carol}/activate")),
        ] {
            admin.form(&change, &[]).await;
            assert!(!agree(&change).await);
            admin.form(&undo, &[]).await;
            assert!(agree(&undo).await);
        }
        let key_id = KeyId::parse(&id).unwrap();
        let other = Networks::parse(["10.9.9.9/32"]).unwrap();
        let moved = KeyChange { allowed_ips: Some(other), ..KeyChange::default() };
        server.site.auth.change_key(&operator, key_id, moved, Basis::Anything).await.unwrap();
        assert!(active(&jwt, Some("10.9.9.9")).await && !active(&jwt, Some("2001:db8::7")).await);
        server.clock.advance(Duration::from_secs(300));
        assert!(!agree("expired").await);
    }
    let limit = RateLimit::new(4, 3600, None).unwrap();
    let (id, key) = server.key_of(MEMBER, &["orders:read"], |new| new.settings.rate_limit = Some(limit)).await;
    let jwt = access(&id, &key).await;
    let mut verdicts = Vec::new();
    for token in [&jwt, &key, &jwt, &jwt, &key, &jwt] {
        verdicts.push(active(token, None).await);
    }
    assert_eq!(verdicts, [true, true, true, false, false, false], "a question about either counts");
    server.clock.advance(Duration::from_secs(3600));
    let jwt = access(&id, &key).await;
    server.home.run(&["keys", "revoke", &id]);
    assert!(!active(&jwt, None).await && !active(&key, None).await);
}

#[tokio::test]
async fn a_jwt_signed_otherwise_is_not_accepted() {
    let server = Server::with(|settings| settings.policies = crate::identity::policies());
    let (id, key) = server.key(&["orders:read"]).await;
    let jwt = access(&server, (&id, &key)).await;
    let (header, body, signature) = {
        let mut parts = jwt.split('.');
        (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap())
    };
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let kid = part(&jwt, 0)["kid"].clone();
    let with = |name: &str, value: Value| {
        let mut header = part(&jwt, 0);
        header[name] = value;
        encode(&header)
    };
    let mut forged = vec![
        format!("{}.{body}.", with("alg", json!("none"))),
        format!("{}.{body}.{signature}", with("alg", json!("none"))),
        format!("{}.{body}.{signature}", with("alg", json!("RS512"))),
        format!("{}.{body}.{signature}", with("alg", json!("EdDSA"))),
        format!("{}.{body}.{signature}", with("typ", json!("JWT"))),
        format!("{}.{body}.{signature}", with("kid", json!("other"))),
        format!("{}.{body}.{signature}", with("crit", json!(["x"]))),
        format!("{header}.{}.{signature}", encode(&json!({ "iss": "http://keys.test", "exp": 9e12, "client_id": id }))),
        format!("{header}.{body}.{}", signature.chars().rev().collect::<String>()),
        format!("{header}.{body}."),
        format!("{header}.{body}"),
        format!("{jwt}.x"),
        server.bearer(&key).get("/auth?policy=signed").await.header("x-auth-identity").to_owned(),
    ];
    // With the public key taken for a shared secret.
    let jwks = server.anon().get("/.well-known/jwks.json").await.body;
    let mut hmac = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    (hmac.typ, hmac.kid) = (Some("at+jwt".into()), kid.as_str().map(str::to_owned));
    let secret = jsonwebtoken::EncodingKey::from_secret(jwks.as_bytes());
    forged.push(jsonwebtoken::encode(&hmac, &part(&jwt, 1), &secret).unwrap());
    for token in forged {
        assert_eq!(introspect(&server, &token).await, json!({ "active": false }), "{token}");
    }
    assert_eq!(introspect(&server, &jwt).await["active"], true);
}

#[tokio::test]
async fn a_client_can_revoke_only_its_own_key() {
    let server = Server::start();
    let (id, key) = server.key(&["*"]).await;
    let (verifier_id, verifier) = server.key_of(ADMIN, &["keybearer:verify", "keybearer:keys"], |_| {}).await;
    let (other_id, other) = server.key(&["*"]).await;
    let limited = RateLimit::new(1, 60, None).unwrap();
    let (_, limited) = server.key_of(MEMBER, &[], |new| new.settings.rate_limit = Some(limited)).await;
    let jwt = access(&server, (&id, &key)).await;
    for caller in [(&*other_id, &*other), (&*verifier_id, &*verifier)] {
        for token in [&key, &limited] {
            let answer = basic(&server, REVOKE, caller, &[("token", token)]).await;
            assert_eq!(error(&answer), is(400, "unauthorized_client"));
        }
        let answer = basic(&server, REVOKE, caller, &[("token", &jwt)]).await;
        assert_eq!(error(&answer), is(400, "unsupported_token_type"));
        for unknown in ["junk", "kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs", "a.b.c"] {
            let answer = basic(&server, REVOKE, caller, &[("token", unknown)]).await;
            assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{unknown}");
        }
    }
    assert_eq!(server.tries(&key).await, 200);
    let answer = server.anon().post(REVOKE, &[("token", &key)]).await;
    assert_eq!(error(&answer), is(401, "invalid_client"));
    let answer = basic(&server, REVOKE, (&id, &key), &[("token", &key), ("token_type_hint", "refresh_token")]).await;
    assert_eq!((answer.status, answer.body.as_str(), answer.header("cache-control")), (200, "", "no-store"));
    assert_eq!(server.tries(&key).await, 401);
    assert_eq!(introspect(&server, &jwt).await["active"], false);
    let form = [("client_id", other_id.as_str()), ("client_secret", &other), ("token", &other)];
    assert_eq!(server.anon().post(REVOKE, &form).await.status, 200);
    assert_eq!(server.bearer(&verifier).post(REVOKE, &[("token", &verifier)]).await.status, 200);
    assert_eq!((server.tries(&other).await, server.tries(&verifier).await), (401, 401));
    let events = server.home.run(&["events", "list", "--json"]);
    assert_eq!(events.matches("key.revoked").count(), 3);
}

#[tokio::test]
async fn the_discovery_document_lists_every_endpoint() {
    let server = Server::start();
    let answer = server.anon().get("/.well-known/oauth-authorization-server").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let (clients, callers) =
        (["client_secret_basic", "client_secret_post"], ["client_secret_basic", "client_secret_post", "Bearer"]);
    let expected = json!({
        "issuer": "http://keys.test",
        "token_endpoint": "http://keys.test/oauth/token",
        "token_endpoint_auth_methods_supported": clients,
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "introspection_endpoint": "http://keys.test/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": callers,
        "revocation_endpoint": "http://keys.test/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": callers,
        "jwks_uri": "http://keys.test/.well-known/jwks.json",
    });
    assert_eq!(answer.json(), expected);
    let answer = server.anon().get("/.well-known/jwks.json").await;
    assert_eq!(
        (answer.header("content-type"), answer.header("cache-control")),
        ("application/json", "public, max-age=300")
    );
    let jwks = answer.json();
    let [rsa, ed] = jwks["keys"].as_array().unwrap().as_slice() else { panic!("{answer:?}") };
    let members = |key: &Value| key.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        (members(rsa), &rsa["kty"], &rsa["alg"], &rsa["use"]),
        (
            ["alg", "e", "kid", "kty", "n", "use"].map(str::to_owned).to_vec(),
            &json!("RSA"),
            &json!("RS256"),
            &json!("sig")
        )
    );
    assert_eq!(
        (members(ed), &ed["kty"], &ed["alg"], &ed["crv"]),
        (
            ["alg", "crv", "kid", "kty", "use", "x"].map(str::to_owned).to_vec(),
            &json!("OKP"),
            &json!("EdDSA"),
            &json!("Ed25519")
        )
    );
    assert!(BASE64URL_NOPAD.decode(rsa["n"].as_str().unwrap().as_bytes()).unwrap().len() >= 256, "2,048 bits or more");
}

#[tokio::test]
async fn hostile_bodies_are_refused_early() {
    let server = Server::start();
    let (id, key) = server.key(&[]).await;
    let many: String = (0..60).map(|number| format!("p{number}=1&")).collect();
    let anon = server.anon();
    let request = anon.request("POST", TOKEN).basic_auth(&id, Some(&key)).body(many);
    let answer = anon.send(request.header("content-type", "application/x-www-form-urlencoded")).await;
    assert_eq!(error(&answer), is(400, "invalid_request"));
    let answer = anon.post(TOKEN, &[("token", &*"x".repeat(70_000))]).await;
    assert_eq!(answer.problem(), (413, "too_large".into()));
    for line in ["Authorization: Basic", "Authorization: Basic !", "Authorization: Basic YQ==", "Authorization: Bearer"]
    {
        let head = ["Connection: close", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 7", line];
        let answer = raw::exchange(server.address, raw::request(&format!("POST {INTROSPECT}"), &head, "token=x"));
        assert_eq!(answer.status(), 401, "{line}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_rate_limit_refuses_its_client_and_makes_its_token_inactive() {
    let server = Server::start();
    let limit = RateLimit::new(1, 60, None).unwrap();
    let (id, key) = server.key_of(MEMBER, &[], |new| new.settings.rate_limit = Some(limit)).await;
    assert_eq!(introspect(&server, &key).await["active"], true, "which counts");
    assert_eq!(introspect(&server, &key).await["active"], false);
    let answer = token(&server, (&id, &key), &[]).await;
    assert_eq!((answer.problem(), answer.header("retry-after")), ((429, "rate_limited".into()), "60"));
    let inside = Networks::parse(["10.0.0.0/8"]).unwrap();
    let (id, ranged) = server.key_of(MEMBER, &[], |new| new.settings.allowed_ips = inside).await;
    assert_eq!(error(&token(&server, (&id, &ranged), &[]).await), is(403, "unauthorized_client"));
}

#[tokio::test]
async fn no_token_is_reported_inactive_while_the_database_is_unavailable() {
    let server = Server::start();
    let (id, key) = server.key(&["orders:read"]).await;
    let (_, verifier) = server.key_of(ADMIN, &["keybearer:verify"], |_| {}).await;
    let jwt = access(&server, (&id, &key)).await;
    let verifier = server.bearer(&verifier);
    server.home.take_database_away();
    let gone = async || verifier.post(INTROSPECT, &[("token", &key)]).await.status == 503;
    eventually(Duration::from_secs(5), "the missing database is noticed", gone).await;
    for path in [INTROSPECT, REVOKE, TOKEN] {
        for token in [&key, &jwt] {
            let answer = verifier.post(path, &[("token", token)]).await;
            let expected = if path == TOKEN { 401 } else { 503 };
            assert_eq!(answer.status, expected, "{path}: {answer:?}");
        }
        let answer = basic(&server, path, (&id, &key), &[("token", &key), ("grant_type", "client_credentials")]).await;
        assert_eq!((answer.problem(), answer.header("retry-after")), ((503, "unavailable".into()), "1"), "{path}");
    }
    server.home.bring_database_back();
    let back = async || verifier.post(INTROSPECT, &[("token", &jwt)]).await.status == 200;
    eventually(Duration::from_secs(5), "the database is taken again", back).await;
}
