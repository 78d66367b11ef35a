//! Who passes, with which identity, and what refused callers get.

use keybearer::testing::grpc::{CheckRequest, CheckResponse, ValueKind};
use keybearer::testing::{Networks, RateLimit};

use super::envoy::{CheckResponseExt, DeniedExt, Envoy, Question, Verdict, named};
use super::{start, with_grpc};
use crate::harness::{MEMBER, Server};

const UNKNOWN: &str = "kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs";

fn passes(answer: CheckResponse) -> keybearer::testing::grpc::OkHttpResponse {
    let Verdict::Passes(ok) = answer.verdict() else { panic!("it is refused") };
    ok
}

#[tokio::test]
async fn a_valid_key_passes_with_its_identity_and_is_removed_from_the_request() {
    let server = start();
    let envoy = Envoy::at(server.grpc.unwrap());
    let (id, key) = server.key_of(MEMBER, &["orders:*", "users:read"], |_| {}).await;
    let answer = envoy.asks(Question::of("orders-read").key(&key).request()).await;
    let fields = answer.dynamic_metadata.clone().unwrap().fields;
    let ok = passes(answer);
    assert_eq!(named(&ok.headers, "x-auth-key-id"), Some(&*id));
    assert_eq!(named(&ok.headers, "x-auth-owner"), Some(MEMBER));
    assert_eq!(named(&ok.headers, "x-auth-scopes"), Some("orders:* users:read"));
    assert!(named(&ok.headers, "x-auth-owner-id").is_some_and(|id| id.len() == 36));
    assert!(named(&ok.headers, "x-auth-identity").is_some());
    assert_eq!(ok.headers.len(), 5);
    assert_eq!(ok.headers_to_remove, ["authorization", "x-api-key"]);
    assert_eq!(ok.response_headers_to_add, []);
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    assert_eq!(names, ["key_id", "owner", "owner_id", "scopes"]);
    assert_eq!(fields["key_id"].kind, Some(ValueKind::Text(id)));
    let Some(ValueKind::List(scopes)) = &fields["scopes"].kind else { panic!("scopes are a list") };
    assert_eq!(scopes.values.len(), 2);
    for question in [
        Question::of("orders-read").header("x-api-key", &key),
        Question::of("orders-read").header("authorization", &format!("bEARER   {key}")),
        Question::of("orders-read").raw("authorization", format!("Bearer {key}").as_bytes()),
        Question::of("orders-read")
            .raw("x-api-key", key.as_bytes())
            .raw("authorization", format!("Bearer {key}").as_bytes()),
    ] {
        assert_eq!(envoy.verdict(question).await.0, 200);
    }
}

#[tokio::test]
async fn each_refusal_has_its_status_its_challenge_and_its_problem() {
    let server = start();
    let envoy = Envoy::at(server.grpc.unwrap());
    let (_, narrow) = server.key(&["users:read"]).await;
    let (_, elsewhere) = server
        .key_of(MEMBER, &["*"], |request| {
            request.settings.allowed_ips = Networks::parse(["203.0.113.0/24"]).unwrap();
        })
        .await;
    let ask = async |question: Question| match envoy.asks(question.request()).await.verdict() {
        Verdict::Refused(denied) => denied,
        Verdict::Passes(_) => panic!("it passes"),
    };
    let bearer = "Bearer realm=\"keybearer\"";
    let table = [
        (Question::of("any-key"), 401, "missing_key", Some(bearer.to_owned())),
        (Question::of("any-key").header("authorization", "Basic YTpi"), 401, "missing_key", Some(bearer.to_owned())),
        (Question::of("any-key").key(UNKNOWN), 401, "invalid_key", Some(format!("{bearer}, error=\"invalid_token\""))),
        (Question::of("catalogue").key("x"), 401, "invalid_key", Some(format!("{bearer}, error=\"invalid_token\""))),
        (
            Question::of("orders-read").key(&narrow),
            403,
            "insufficient_scope",
            Some(format!("{bearer}, error=\"insufficient_scope\", scope=\"orders:read\"")),
        ),
        (Question::of("any-key").key(&elsewhere), 403, "ip_not_allowed", None),
        (
            Question::of("any-key").key(&narrow).header("x-api-key", &elsewhere),
            400,
            "invalid_request",
            Some(format!("{bearer}, error=\"invalid_request\"")),
        ),
        (Question::of("none-such").key(&narrow), 500, "unknown_policy", None),
        (Question::default().key(&narrow), 500, "unknown_policy", None),
    ];
    for (question, status, code, challenge) in table {
        let denied = ask(question).await;
        let problem = denied.problem();
        assert_eq!((denied.status.clone().unwrap().code, problem["code"].as_str().unwrap()), (status, code));
        assert_eq!(problem["status"], status);
        assert_eq!(denied.header("www-authenticate"), challenge.as_deref(), "{code}");
        assert_eq!(denied.header("content-type"), Some("application/problem+json"));
        assert_eq!(denied.header("cache-control"), Some("no-store"));
        assert_eq!(denied.header("x-request-id"), problem["request_id"].as_str());
    }
}

#[tokio::test]
async fn a_rate_limited_key_gets_its_quota_and_retry_after() {
    let server = start();
    let envoy = Envoy::at(server.grpc.unwrap());
    let (_, key) = server
        .key_of(MEMBER, &[], |request| request.settings.rate_limit = Some(RateLimit::new(2, 60, None).unwrap()))
        .await;
    let ok = passes(envoy.asks(Question::of("any-key").key(&key).request()).await);
    assert_eq!(named(&ok.response_headers_to_add, "ratelimit-policy"), Some("\"key\";q=2;w=60"));
    assert_eq!(named(&ok.response_headers_to_add, "ratelimit"), Some("\"key\";r=1;t=30"));
    assert_eq!(server.tries(&key).await, 200, "one limit, whichever door");
    let Verdict::Refused(denied) = envoy.asks(Question::of("any-key").key(&key).request()).await.verdict() else {
        panic!("it passes")
    };
    assert_eq!((denied.status.clone().unwrap().code, denied.problem()["code"].as_str()), (429, Some("rate_limited")));
    assert_eq!((denied.header("retry-after"), denied.header("ratelimit")), (Some("30"), Some("\"key\";r=0;t=30")));
}

#[tokio::test]
async fn a_caller_without_a_key_passes_without_an_identity_if_the_policy_allows_it() {
    let server = start();
    let envoy = Envoy::at(server.grpc.unwrap());
    let answer = envoy.asks(Question::of("catalogue").header("x-auth-owner", "root@example.com").request()).await;
    assert_eq!(answer.dynamic_metadata, None);
    let ok = passes(answer);
    assert_eq!(ok.headers.len(), 5);
    assert!(ok.headers.iter().all(|option| option.header.as_ref().unwrap().value.is_empty()));
}

#[tokio::test]
async fn only_the_operators_route_settings_choose_the_policy() {
    let server = start();
    let envoy = Envoy::at(server.grpc.unwrap());
    let (_, narrow) = server.key(&["users:read"]).await;
    let headers = [
        ("policy", "catalogue"),
        ("x-policy", "catalogue"),
        (":path", "/auth?policy=catalogue&scope="),
        (":authority", "catalogue"),
        ("x-envoy-original-path", "/catalogue"),
        ("x-original-uri", "/auth/envoy/catalogue"),
        ("context_extensions", "policy=catalogue"),
    ];
    for (name, value) in headers {
        let question = Question::of("orders-read").header(name, value).raw(name, value.as_bytes());
        assert_eq!(envoy.verdict(question.clone()).await.0, 401, "{name}");
        assert_eq!(envoy.verdict(question.key(&narrow)).await.0, 403, "{name}");
    }
    let beside = Question::of("orders-read").extension("Policy", "catalogue").extension("scope", "").key(&narrow);
    assert_eq!(envoy.verdict(beside).await.0, 403);
    for name in ["", "OPEN", "any-key ", "any-key,catalogue", "../any-key", "any%2dkey"] {
        assert_eq!(envoy.verdict(Question::of(name).key(&narrow)).await, (500, "unknown_policy".into()), "{name}");
    }
}

#[tokio::test]
async fn a_duplicate_or_malformed_credential_is_refused_in_either_form() {
    let server = start();
    let envoy = Envoy::at(server.grpc.unwrap());
    let (_, key) = server.key(&[]).await;
    let bearer = format!("Bearer {key}");
    let (good, bad) = (bearer.as_bytes(), &b"Bearer kb_wrong"[..]);
    let open = || Question::of("catalogue");
    let table = [
        // Envoy joins the lines of a doubled header.
        (open().header("authorization", &format!("{bearer},Bearer x")), 400),
        (open().header("authorization", &format!("Bearer x,{bearer}")), 400),
        (open().header("authorization", &format!("{bearer},{bearer}")), 400),
        (open().header("x-api-key", &format!("{key},{key}")), 400),
        (open().raw("authorization", good).raw("authorization", bad), 400),
        (open().raw("authorization", bad).raw("authorization", good), 400),
        (open().raw("authorization", good).raw("authorization", good), 400),
        (open().raw("authorization", format!("{bearer},{bearer}").as_bytes()), 400),
        (open().raw("x-api-key", b"x").raw("x-api-key", key.as_bytes()), 400),
        // Both forms at once, and names in more than one spelling: no Envoy does that.
        (open().key(&key).raw("authorization", good), 400),
        (open().key(&key).header("Authorization", "Bearer x"), 400),
        (open().header("AUTHORIZATION", "Bearer x"), 401),
        (open().header("authorization", "Bearer"), 401),
        (open().header("authorization", &format!("Bearer{key}")), 401),
        (open().header("authorization", &format!("Bearer {key} x")), 401),
        (open().header("authorization", &format!("Bearer {key}\r\nx: y")), 401),
        (open().header("authorization", "\0"), 401),
        (open().raw("authorization", b"Bearer \xff\xfe\0"), 401),
        (open().header("x-api-key", ""), 401),
        (open().header("x-api-key", &"k".repeat(100_000)), 401),
    ];
    for (number, (question, status)) in table.into_iter().enumerate() {
        assert_eq!(envoy.verdict(question).await.0, status, "{number}");
    }
}

#[tokio::test]
async fn other_credentials_beside_a_key_are_ignored_in_either_form() {
    let server = start();
    let envoy = Envoy::at(server.grpc.unwrap());
    let ((_, key), (_, other)) = (server.key(&[]).await, server.key(&[]).await);
    let digest = "Digest username=\"a\", realm=\"b\", uri=\"/c\"";
    for (value, alone) in [("", 200), (" ", 200), ("Basic YTpi", 200), (digest, 200), ("Bearer", 401)] {
        let beside = || Question::of("any-key").header("x-api-key", &key);
        let ok = passes(envoy.asks(beside().header("authorization", value).request()).await);
        let is_own = value.starts_with("Basic") || value.starts_with("Digest");
        assert_eq!(ok.headers_to_remove.contains(&"authorization".to_owned()), !is_own, "the API's own stays: {value}");
        assert!(ok.headers_to_remove.contains(&"x-api-key".to_owned()));
        assert_eq!(envoy.verdict(beside().raw("authorization", value.as_bytes())).await.0, 200, "{value}");
        assert_eq!(envoy.verdict(Question::of("catalogue").header("authorization", value)).await.0, alone, "{value}");
    }
    let beside = |value: String| Question::of("any-key").header("x-api-key", &key).header("authorization", &value);
    for value in [format!("Bearer {other}"), format!("{digest}, Bearer {other}"), format!("token {other}")] {
        assert_eq!(envoy.verdict(beside(value)).await, (400, "invalid_request".into()));
    }
    for value in [key.clone(), format!("token {key}"), format!("Bearer \"{key}\""), format!("Bearer {key},")] {
        let question = Question::of("catalogue").header("authorization", &value);
        let Verdict::Refused(denied) = envoy.asks(question.request()).await.verdict() else { panic!("it passes") };
        assert_eq!(denied.status.clone().unwrap().code, 401);
        assert!(denied.body.contains("Send it as `Authorization: Bearer <key>`"), "{}", denied.body);
        assert!(denied.header("www-authenticate").unwrap().contains("error_description="));
    }
}

#[tokio::test]
async fn only_a_preflight_passes_without_an_identity_under_a_preflight_policy() {
    let server = start();
    let envoy = Envoy::at(server.grpc.unwrap());
    let asks = |policy: &str, method: &str| {
        let question = Question::of(policy).method(method).header("origin", "https://app.example.com");
        question.header("access-control-request-method", "DELETE")
    };
    let ok = passes(envoy.asks(asks("pages", "OPTIONS").request()).await);
    assert!(ok.headers.len() == 5 && ok.headers.iter().all(|option| option.header.as_ref().unwrap().value.is_empty()));
    for (question, status) in [
        (asks("orders-read", "OPTIONS"), 401),
        (asks("pages", "GET"), 401),
        (asks("pages", "options"), 401),
        (asks("pages", ""), 401),
        (asks("pages", "GET").header("x-forwarded-method", "OPTIONS"), 401),
        (asks("pages", "GET").header(":method", "OPTIONS"), 401),
        (asks("pages", "OPTIONS").header("x-http-method-override", "GET"), 401),
        (asks("pages", "OPTIONS").header("origin", ""), 401),
        (asks("pages", "OPTIONS").raw("origin", b"https://b.test"), 401),
        (Question::of("pages").method("OPTIONS"), 401),
        (asks("pages", "OPTIONS").key(UNKNOWN), 401),
        (asks("", "OPTIONS"), 500),
        (asks(" ", "OPTIONS"), 500),
    ] {
        assert_eq!(envoy.verdict(question).await.0, status);
    }
}

#[tokio::test]
async fn an_empty_check_request_is_refused() {
    let server = start();
    let envoy = Envoy::at(server.grpc.unwrap());
    for request in [CheckRequest::default(), Question::default().request()] {
        let Verdict::Refused(denied) = envoy.asks(request).await.verdict() else { panic!("it passes") };
        assert_eq!(denied.status.clone().unwrap().code, 500);
    }
    let (_, key) = server.key(&[]).await;
    assert_eq!(envoy.verdict(Question::of("any-key")).await.0, 401);
    assert_eq!(envoy.verdict(Question::of("any-key").key(&key)).await.0, 200);
}

#[tokio::test]
async fn the_client_address_comes_from_the_connection_or_a_trusted_proxy() {
    let server = Server::with(|settings| {
        with_grpc(settings);
        settings.trusted_proxies = Networks::parse(["10.0.0.0/8"]).unwrap();
    });
    let envoy = Envoy::at(server.grpc.unwrap());
    let (_, key) = server
        .key_of(MEMBER, &[], |request| {
            request.settings.allowed_ips = Networks::parse(["203.0.113.7", "2001:db8::7"]).unwrap();
        })
        .await;
    let (_, near) = server
        .key_of(MEMBER, &[], |request| request.settings.allowed_ips = Networks::parse(["10.0.0.0/8"]).unwrap())
        .await;
    let ask = async |source: &str, forwarded: &str| {
        let question = Question::of("any-key").key(&key).from(source);
        let question = if forwarded.is_empty() { question } else { question.header("x-forwarded-for", forwarded) };
        let question = question.header("x-real-ip", "203.0.113.7").header("forwarded", "for=203.0.113.7");
        envoy.verdict(question).await.0
    };
    let table = [
        ("203.0.113.7", "", 200),
        ("2001:db8::7", "", 200),
        ("::ffff:203.0.113.7", "", 200),
        ("203.0.113.7", "192.0.2.1", 200),
        ("192.0.2.1", "203.0.113.7", 403),
        ("10.0.0.1", "203.0.113.7", 200),
        ("10.0.0.1", "203.0.113.7,10.0.0.9", 200),
        ("10.0.0.1", "203.0.113.7,192.0.2.1", 403),
        ("10.0.0.1", "203.0.113.7,junk", 403),
        ("10.0.0.1", "[2001:db8::7]:443", 200),
        ("10.0.0.1", "203.0.113.7,", 403),
        ("10.0.0.1", "", 403),
        ("", "203.0.113.7", 403),
        ("203.0.113.7:80", "", 200),
        ("203.0.113.7%eth0", "", 403),
        ("localhost", "203.0.113.7", 403),
    ];
    for (source, forwarded, status) in table {
        assert_eq!(ask(source, forwarded).await, status, "{source} {forwarded}");
    }
    for line in [&b"unknown"[..], b"203.0.113.9, \xff", b"10.0.0.9\n", b"\n", b""] {
        let question = Question::of("any-key").key(&near).from("10.0.0.1");
        let question = question.header("x-forwarded-for", "10.0.0.9").raw("x-forwarded-for", line);
        assert_eq!(envoy.verdict(question).await, (403, "ip_not_allowed".into()), "{line:?}");
    }
    let nowhere = Question::default().extension("policy", "any-key").key(&key).header("x-forwarded-for", "203.0.113.7");
    assert_eq!(envoy.verdict(nowhere).await, (403, "ip_not_allowed".into()));
}

#[tokio::test]
async fn a_revoked_key_is_refused_on_the_next_check() {
    let server = start();
    let envoy = Envoy::at(server.grpc.unwrap());
    for _ in 0..20 {
        let (_, key) = server.key(&[]).await;
        assert_eq!(envoy.verdict(Question::of("any-key").key(&key)).await.0, 200);
        assert_eq!(server.bearer(&key).call("DELETE", "/api/v1/keys/current").await.status, 204);
        assert_eq!(envoy.verdict(Question::of("any-key").key(&key)).await, (401, "invalid_key".into()));
    }
}

#[tokio::test]
async fn grpc_verdicts_are_counted_like_the_others() {
    let server = start();
    let envoy = Envoy::at(server.grpc.unwrap());
    let (_, verifier) = server.key(&["keybearer:verify"]).await;
    for _ in 0..3 {
        envoy.verdict(Question::of("orders-read").key(&verifier)).await;
        envoy.verdict(Question::of("any-key").key(UNKNOWN)).await;
    }
    let text = server.bearer(&verifier).get("/metrics").await.body;
    assert!(text.contains("keybearer_verdicts_total{code=\"insufficient_scope\"} 3\n"), "{text}");
    assert!(text.contains("keybearer_verdicts_total{code=\"not_found\"} 3\n"), "{text}");
}
