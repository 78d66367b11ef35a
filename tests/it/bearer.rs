//! How a key is presented, and that the bearer of a bad one learns nothing about it.

use std::time::Duration;

use keybearer::testing::{Expiry, Networks, Policies, Policy};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sha2::{Digest, Sha256};

use crate::harness::{Server, raw};

const CURRENT: &str = "/api/v1/keys/current";

#[tokio::test]
async fn a_live_key_is_accepted_in_either_header_and_any_case_of_the_scheme() {
    let server = Server::start();
    let (id, key) = server.key(&[]).await;
    let anon = server.anon();
    for (name, value) in [
        ("authorization", format!("Bearer {key}")),
        ("authorization", format!("bEaReR   {key}")),
        ("x-api-key", key.clone()),
    ] {
        for path in [CURRENT, "/auth", "/auth/any/path"] {
            let answer = anon.send(anon.request("GET", path).header(name, &value)).await;
            assert_eq!(answer.status, 200, "{path} {name} {value}");
            let who = if path == CURRENT { answer.json()["id"].clone() } else { answer.header("x-auth-key-id").into() };
            assert_eq!(who, id);
        }
    }
    let both = anon.request("GET", CURRENT).header("authorization", format!("Bearer {key}")).header("x-api-key", &key);
    assert_eq!(anon.send(both).await.status, 200, "the same key twice is one credential");
}

#[tokio::test]
async fn without_a_credential_the_challenge_has_no_error() {
    let server = Server::start();
    for path in [CURRENT, "/auth"] {
        let answer = server.anon().get(path).await;
        assert_eq!(answer.problem(), (401, "missing_key".into()));
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"keybearer\"");
    }
    insta::assert_snapshot!(server.anon().get(CURRENT).await.whole());
}

#[tokio::test]
async fn unknown_malformed_expired_disabled_revoked_and_deactivated_get_the_same_bytes() {
    let server = Server::start();
    let admin = server.admin().await;
    let soon = Expiry::At(server.site.auth.now().plus(Duration::from_secs(60)));
    let (_, expired) = server.key_of("grace@example.com", &[], |new| new.settings.expires_at = soon.time()).await;
    let (disabled_id, disabled) = server.key(&[]).await;
    let (revoked_id, revoked) = server.key(&[]).await;
    let (_, of_nobody) = server.key_of("gone@example.com", &[], |_| {}).await;
    let gone = server.user("gone@example.com", keybearer::testing::Role::Member).await;
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(admin.form(&format!("/keys/{disabled_id}/disable"), &[]).await.status, 303);
    assert_eq!(admin.form(&format!("/keys/{revoked_id}/revoke"), &[]).await.status, 303);
    assert_eq!(admin.form(&format!("/users/{}/deactivate", gone.id), &[]).await.status, 303);

    let unknown = "kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs".to_owned();
    for path in [CURRENT, "/auth"] {
        let expected = server.bearer(&unknown).get(path).await;
        assert_eq!(expected.problem(), (401, "invalid_key".into()));
        assert_eq!(expected.header("www-authenticate"), "Bearer realm=\"keybearer\", error=\"invalid_token\"");
        for bad in [&expired, &disabled, &revoked, &of_nobody, "x", "kb_short", "' OR 1=1--"] {
            assert_eq!(server.bearer(bad).get(path).await.whole(), expected.whole(), "{bad}");
        }
    }
    insta::assert_snapshot!(server.bearer(&unknown).get(CURRENT).await.whole());
}

#[tokio::test]
async fn almost_identical_keys_are_refused() {
    let server = Server::start();
    let (_, key) = server.key(&[]).await;
    let mut near: Vec<String> = (1..key.len()).flat_map(|cut| [key[..cut].to_owned(), key[cut..].to_owned()]).collect();
    near.extend([format!("{key}A"), format!("A{key}"), format!("{key}="), key.to_uppercase(), key.replace('_', "-")]);
    // Another text of the same 32 bytes: base64 leaves spare bits, and they are not this key.
    let spare: String = key.char_indices().map(|(at, c)| if at == 45 { ((c as u8) + 1) as char } else { c }).collect();
    near.push(spare);
    for bad in near {
        assert_eq!(server.tries(&bad).await, 401, "{bad}");
    }
    assert_eq!(server.tries(&key).await, 200);
}

#[tokio::test]
async fn nothing_stored_about_a_key_is_accepted_as_the_key() {
    let server = Server::start();
    let member = server.member().await;
    let (id, key) = member.make_key("mine").await;
    let digest = Sha256::digest(key.as_bytes());
    let hint = format!("kb_…{}", &key[key.len() - 4..]);
    let stored = [
        hex::encode(digest),
        hex::encode_upper(digest),
        data_encoding::BASE64.encode(&digest),
        data_encoding::BASE64URL_NOPAD.encode(&digest),
        hint,
        id.clone(),
        member.cookie("session").unwrap(),
        member.cookie("device").unwrap(),
    ];
    for text in stored {
        assert_eq!(server.tries(&text).await, 401, "{text}");
    }
}

#[tokio::test]
async fn the_api_accepts_no_cookie_and_the_dashboard_no_key() {
    let server = Server::start();
    let member = server.member().await;
    let (_, key) = member.make_key("mine").await;
    assert_eq!(member.get(CURRENT).await.problem(), (401, "missing_key".into()));
    assert_eq!(member.get("/auth").await.problem(), (401, "missing_key".into()));
    let answer = server.bearer(&key).get("/keys").await;
    assert_eq!((answer.status, answer.location()), (303, "/login?next=%2Fkeys"));
    let anon = server.anon();
    for cookie in [format!("kb_session={key}"), format!("Authorization={key}"), format!("x-api-key={key}")] {
        assert_eq!(anon.send(anon.request("GET", "/keys").header("cookie", &cookie)).await.status, 303);
        assert_eq!(anon.send(anon.request("GET", CURRENT).header("cookie", &cookie)).await.status, 401);
    }
}

#[tokio::test]
async fn a_key_in_a_url_is_not_accepted() {
    let server = Server::start();
    let (_, key) = server.key(&[]).await;
    for query in ["access_token", "token", "key", "api_key", "apikey", "x-api-key", "authorization"] {
        let answer = server.anon().get(&format!("{CURRENT}?{query}={key}")).await;
        assert_eq!(answer.problem(), (401, "missing_key".into()), "{query}");
        let answer = server.anon().get(&format!("/auth?{query}={key}")).await;
        assert_eq!(answer.problem(), (400, "invalid_request".into()), "{query}");
        assert!(!answer.body.contains(&key));
    }
    for path in [format!("/auth/{key}"), format!("{CURRENT}/{key}"), format!("/api/v1/keys/{key}")] {
        let answer = server.anon().get(&path).await;
        assert!([401, 404].contains(&answer.status) && !answer.body.contains(&key), "{answer:?}");
    }
    let body = server.anon().post(CURRENT, &[("access_token", &key)]).await;
    assert_eq!(body.status, 405);
}

#[tokio::test]
async fn two_credentials_in_one_request_are_refused() {
    let server = Server::start();
    let ((_, one), (_, two)) = (server.key(&[]).await, server.key(&[]).await);
    let bearer = |key: &str| format!("Authorization: Bearer {key}");
    let api_key = |key: &str| format!("X-API-Key: {key}");
    for headers in [
        [bearer(&one), bearer(&two)],
        [bearer(&one), bearer(&one)],
        [bearer(&one), api_key(&two)],
        [api_key(&one), api_key(&two)],
        ["Authorization: Basic YTpi".to_owned(), bearer(&one)],
        [format!("Authorization: token {two}"), api_key(&one)],
    ] {
        for path in [CURRENT, "/auth"] {
            let lines = [headers[0].as_str(), headers[1].as_str(), "Connection: close"];
            let answer = raw::exchange(server.address, raw::request(&format!("GET {path}"), &lines, ""));
            assert_eq!(answer.status(), 400, "{headers:?}");
            assert!(answer.text.contains("\"code\":\"invalid_request\""), "{}", answer.text);
            assert!(answer.text.to_lowercase().contains("error=\"invalid_request\""), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn an_authorization_header_of_the_application_is_not_a_second_key() {
    let server = Server::start();
    let (id, key) = server.key(&[]).await;
    let ask = |path: &str, lines: &[String]| {
        let lines: Vec<&str> = lines.iter().map(String::as_str).chain(["Connection: close"]).collect();
        raw::exchange(server.address, raw::request(&format!("GET {path}"), &lines, ""))
    };
    let api_key = format!("X-API-Key: {key}");
    for value in [
        "",
        " ",
        "Basic YTpi",
        "basic",
        "Digest username=\"a\", realm=\"b\", nonce=\"c_d\", uri=\"/e\", response=\"f\"",
        "Negotiate YIIFgg==",
        "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c",
        "Token an_applications_own",
        "Bearer",
    ] {
        for path in [CURRENT, "/auth", "/auth/nginx"] {
            let authorization = format!("Authorization: {value}");
            let bad = ask(path, &[authorization.clone(), "X-API-Key: kb_wrong".to_owned()]);
            assert_eq!(bad.status(), 401, "{value} {path}");
            let answer = ask(path, &[authorization, api_key.clone()]);
            assert_eq!(answer.status(), 200, "{value} {path}: {}", answer.text);
            assert!(answer.text.contains(&id), "{}", answer.text);
        }
    }
    let basic = || "Authorization: Basic YTpi".to_owned();
    assert_eq!(ask("/auth", &[basic(), api_key.clone(), basic()]).status(), 200, "nor are two of them");
    let other = "Authorization: Bearer kb_other".to_owned();
    assert_eq!(ask("/auth", &[basic(), api_key.clone(), other]).status(), 400, "a key in the second is one");
    let blank = [format!("Authorization: Bearer {key}"), "X-API-Key:".to_owned()];
    assert_eq!(ask(CURRENT, &blank).status(), 200, "nor is an empty X-API-Key beside a bearer");
}

#[tokio::test]
async fn a_key_sent_in_another_way_is_refused_with_instructions_whether_or_not_it_is_live() {
    let policies = Policies::parse([("open".to_owned(), Policy::parse([], true).unwrap())]).unwrap();
    let server = Server::with(|settings| settings.policies = policies);
    let (_, live) = server.key(&[]).await;
    let dead = "kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs";
    let anon = server.anon();
    for (name, before, after) in [
        ("authorization", "", ""),
        ("authorization", "token ", ""),
        ("authorization", "Key ", ""),
        ("authorization", "ApiKey ", ""),
        ("authorization", "Token token=\"", "\""),
        ("authorization", "Bearer \"", "\""),
        ("authorization", "Bearer '", "'"),
        ("authorization", "Bearer <", ">"),
        ("authorization", "Bearer ", ","),
        ("authorization", "Bearer ", "."),
        ("authorization", "Bearer: ", ""),
        ("authorization", "Bearer\t", ""),
        ("authorization", "Bearer Bearer ", ""),
        ("authorization", "Bearer token ", ""),
        ("x-api-key", "Bearer ", ""),
        ("x-api-key", "\"", "\""),
        ("x-api-key", "", ";"),
        ("x-api-key", "key=", ""),
    ] {
        for path in [CURRENT, "/auth", "/auth/nginx", "/auth?policy=open", "/auth/envoy/open/x"] {
            let ask = async |key: &str| {
                anon.send(anon.request("GET", path).header(name, format!("{before}{key}{after}"))).await
            };
            let (answer, other) = (ask(&live).await, ask(dead).await);
            assert_eq!(answer.problem(), (401, "invalid_key".into()), "{name}: {before}…{after} {path}");
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains("Send it as `Authorization: Bearer <key>`"), "{before}…{after}: {detail}");
            let challenge = answer.header("www-authenticate");
            assert!(
                challenge.ends_with("error_description=\"No key can be read. Send it as Authorization: Bearer <key>\"")
            );
            assert_eq!(answer.whole(), other.whole(), "{before}…{after} {path}");
            assert!(!answer.whole().contains(&live[3..]), "{answer:?}");
        }
    }
    // Nor do the texts of imported keys have a scheme or quotes around them.
    for (name, value) in [("x-api-key", "Bearer legacy-1"), ("authorization", "Bearer \"legacy-1\"")] {
        let answer = anon.send(anon.request("GET", CURRENT).header(name, value)).await;
        assert!(answer.body.contains("Send it as `Authorization: Bearer <key>`"), "{value}: {answer:?}");
    }
    // Nothing to read at all is no better.
    for value in ["Bearer", "Bearer   ", "BearerX"] {
        let answer = anon.send(anon.request("GET", CURRENT).header("authorization", value)).await;
        assert!(answer.body.contains("Send it as `Authorization: Bearer <key>`"), "{value}: {answer:?}");
    }
}

#[tokio::test]
async fn any_bytes_in_the_headers_get_a_documented_response() {
    let policies = Policies::parse([("open".to_owned(), Policy::parse([], true).unwrap())]).unwrap();
    let server = Server::with(|settings| settings.policies = policies);
    let mut runner = TestRunner::new(proptest::test_runner::Config { cases: 400, ..Default::default() });
    let word = prop_oneof![
        prop::sample::select(vec!["Bearer ", "bEARER", "Basic ", "token ", " ", "\t", ",", "\"", "=", "kb_", ":"])
            .prop_map(|text| text.as_bytes().to_vec()),
        Just(b"kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs".to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    let value = prop::collection::vec(word, 0..4).prop_map(|words| words.concat());
    let lines = prop::collection::vec((prop::sample::select(vec!["Authorization", "X-API-Key"]), value), 1..4);
    let path = prop::sample::select(vec![CURRENT, "/auth", "/auth/nginx", "/auth/envoy/open/x", "/oauth/introspect"]);
    let outcome = runner.run(&(path, lines), |(path, lines)| {
        let mut request =
            format!("POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n").into_bytes();
        for (name, value) in &lines {
            request.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        request.extend(b"\r\n");
        let answer = raw::exchange(server.address, request);
        // No key of these is live. The open policy lets a request without any credential pass, as nobody.
        let nobody =
            path == "/auth/envoy/open/x" && answer.status() == 200 && answer.text.contains("x-auth-key-id: \r\n");
        prop_assert!(nobody || [400, 401, 403, 405].contains(&answer.status()), "{}", answer.text);
        Ok(())
    });
    outcome.unwrap();
    assert_eq!(server.tries(&server.key(&[]).await.1).await, 200);
}

#[tokio::test]
async fn malformed_oversized_and_non_text_headers_are_invalid_keys() {
    let server = Server::start();
    let (_, key) = server.key(&[]).await;
    let long = "k".repeat(8000);
    for value in [
        "Bearer".to_owned(),
        "Bearer ".into(),
        format!("Bearer{key}"),
        format!("Bearer\t{key}"),
        format!("Bearer {key} x"),
        format!("Bearer {long}"),
    ] {
        for path in [CURRENT, "/auth"] {
            let line = format!("Authorization: {value}");
            let answer =
                raw::exchange(server.address, raw::request(&format!("GET {path}"), &[&line, "Connection: close"], ""));
            assert_eq!(answer.status(), 401, "{value}");
            assert!(answer.text.contains("\"code\":\"invalid_key\""), "{value}: {}", answer.text);
        }
    }
    for bytes in [&b"\xff\xfe\xfd"[..], b"kb_\xc3\xa9", b"\x80"] {
        let mut request = b"GET /auth HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer ".to_vec();
        request.extend_from_slice(bytes);
        request.extend_from_slice(b"\r\n\r\n");
        assert_eq!(raw::exchange(server.address, request).status(), 401, "{bytes:?}");
    }
    let anon = server.anon();
    for other in ["Basic YTpi", "Digest a=b", "Token x", ""] {
        let answer = anon.send(anon.request("GET", CURRENT).header("authorization", other)).await;
        assert_eq!(answer.problem(), (401, "missing_key".into()), "{other}");
    }
}

#[tokio::test]
async fn a_key_is_refused_from_the_second_in_which_it_expires() {
    let server = Server::start();
    let end = server.site.auth.now().plus(Duration::from_secs(60));
    let (_, key) = server.key_of("grace@example.com", &[], |new| new.settings.expires_at = Some(end)).await;
    server.clock.advance(Duration::from_millis(59_999));
    assert_eq!(server.tries(&key).await, 200);
    server.clock.advance(Duration::from_millis(1));
    assert_eq!(server.tries(&key).await, 401);
    server.clock.advance(Duration::from_secs(10 * 366 * 86_400));
    assert_eq!(server.tries(&key).await, 401);
}

#[tokio::test]
async fn a_key_with_ranges_is_accepted_only_from_those_ranges() {
    let server = Server::with(|settings| settings.trusted_proxies = Networks::parse(["127.0.0.0/8"]).unwrap());
    let ranges = Networks::parse(["203.0.113.0/24", "2001:db8::/32"]).unwrap();
    let (_, key) = server.key_of("grace@example.com", &[], |new| new.settings.allowed_ips = ranges).await;
    let bearer = server.bearer(&key);
    for (from, status) in [
        ("203.0.113.7", 200),
        ("198.51.100.1, 203.0.113.7", 200),
        ("203.0.113.7, 198.51.100.1", 403),
        ("2001:db8::7", 200),
        ("::ffff:203.0.113.7", 200),
        ("198.51.100.1", 403),
        ("junk", 403),
    ] {
        for path in [CURRENT, "/auth"] {
            let answer = bearer.send(bearer.request("GET", path).header("x-forwarded-for", from)).await;
            assert_eq!(answer.status, status, "{from}: {answer:?}");
            if status == 403 {
                assert_eq!(answer.problem().1, "ip_not_allowed");
            }
        }
    }
    for forged in ["x-real-ip", "x_forwarded_for", "forwarded", "true-client-ip", "cf-connecting-ip", "x-client-ip"] {
        let answer = bearer.send(bearer.request("GET", "/auth").header(forged, "203.0.113.7")).await;
        assert_eq!(answer.status, 403, "{forged}");
    }
}

#[tokio::test]
async fn the_challenge_names_the_missing_scope() {
    let server = Server::start();
    let (_, key) = server.key(&["orders:*", "stock:read"]).await;
    let bearer = server.bearer(&key);
    for (needs, status) in [
        ("", 500),
        ("orders:read", 200),
        ("orders:read+stock:read", 200),
        ("orders:read,stock:read", 200),
        ("orders", 403),
        ("stock:write", 403),
        ("keybearer:verify", 403),
        ("orders:*", 400),
        ("%00", 400),
    ] {
        assert_eq!(bearer.get(&format!("/auth?scope={needs}")).await.status, status, "{needs}");
    }
    let answer = bearer.get("/auth?scope=stock:write").await;
    assert_eq!(answer.problem(), (403, "insufficient_scope".into()));
    let challenge = "Bearer realm=\"keybearer\", error=\"insufficient_scope\", scope=\"stock:write\"";
    assert_eq!(answer.header("www-authenticate"), challenge);
    for (name, value) in
        [("x-forwarded-uri", "/x?scope=orders:read"), ("x-original-url", "/livez"), ("user-agent", "kube-probe/1.30")]
    {
        let forged = bearer.request("GET", "/auth?scope=stock:write").header(name, value);
        assert_eq!(bearer.send(forged).await.status, 403, "{name}");
    }
}

#[tokio::test]
async fn an_allowed_request_has_every_identity_header_once_and_none_from_the_client() {
    let server = Server::start();
    let (id, key) = server.key(&["orders:read"]).await;
    let owner = server.user("grace@example.com", keybearer::testing::Role::Member).await.id.to_string();
    let bearer = server.bearer(&key);
    let mut request = bearer.request("POST", "/auth");
    for name in ["x-auth-key-id", "x-auth-owner", "x-auth-owner-id", "x-auth-scopes", "x-auth-identity"] {
        request = request.header(name, "forged");
    }
    let answer = bearer.send(request.body("any body")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(answer.header("x-auth-key-id"), id);
    assert_eq!(answer.header("x-auth-owner"), "grace@example.com");
    assert_eq!(answer.header("x-auth-owner-id"), owner);
    assert_eq!(answer.header("x-auth-scopes"), "orders:read");
    assert_eq!(answer.headers.get_all("x-auth-identity").iter().count(), 1);
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn keys_with_any_configured_prefix_are_accepted() {
    let server = Server::start();
    let prefix = keybearer::testing::KeyPrefix::parse("acme_live").unwrap();
    let (_, key) = server.key_of("grace@example.com", &[], |new| new.prefix = Some(prefix)).await;
    assert!(key.starts_with("acme_live_"), "{key}");
    assert_eq!(server.tries(&key).await, 200);
}
