//! Invalid input: each kind gets its response, nothing panics, and nothing typed is lost.

use crate::harness::{Client, Server, bytes};

const VERIFY: &str = "/api/v1/keys/verify";

async fn verifier(server: &Server) -> Client {
    server.bearer(&server.key(&["keybearer:verify"]).await.1)
}

#[tokio::test]
async fn json_is_read_strictly() {
    let server = Server::start();
    let verifier = verifier(&server).await;
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for (body, status, code) in [
        ("".to_owned(), 400, "invalid_json"),
        ("{".into(), 400, "invalid_json"),
        ("{\"key\":\"x\"".into(), 400, "invalid_json"),
        ("{\"key\":\"x\",}".into(), 400, "invalid_json"),
        ("{'key':'x'}".into(), 400, "invalid_json"),
        ("{\"key\":\"x\"} {}".into(), 400, "invalid_json"),
        ("{\"key\":\"x\"}x".into(), 400, "invalid_json"),
        ("{\"key\":\"\\ud800\"}".into(), 400, "invalid_json"),
        ("\u{feff}{\"key\":\"x\"}".into(), 400, "invalid_json"),
        ("null".into(), 422, "invalid_field"),
        ("[]".into(), 422, "invalid_field"),
        ("\"x\"".into(), 422, "invalid_field"),
        ("{}".into(), 422, "invalid_field"),
        ("{\"key\":1}".into(), 422, "invalid_field"),
        ("{\"key\":null}".into(), 422, "invalid_field"),
        ("{\"key\":{\"a\":1}}".into(), 422, "invalid_field"),
        ("{\"key\":\"x\",\"key\":\"y\"}".into(), 422, "invalid_field"),
        ("{\"key\":\"x\",\"Key\":\"y\"}".into(), 422, "invalid_field"),
        ("{\"key\":\"x\",\"admin\":true}".into(), 422, "invalid_field"),
        ("{\"key\":\"x\",\"scopes\":\"a\"}".into(), 422, "invalid_field"),
        ("{\"key\":\"x\",\"scopes\":[1]}".into(), 422, "invalid_field"),
        ("{\"key\":\"x\",\"scopes\":[\"a b\"]}".into(), 422, "invalid_field"),
        ("{\"key\":\"x\",\"scopes\":[\"a*\"]}".into(), 422, "invalid_field"),
        ("{\"key\":\"x\",\"ip\":\"everywhere\"}".into(), 422, "invalid_field"),
        (format!("{{\"key\":{}}}", deep(30_000)), 422, "invalid_field"),
        (deep(30_000), 422, "invalid_field"),
        (format!("{{\"key\":\"{}\"}}", "x".repeat(70_000)), 413, "too_large"),
    ] {
        let answer = verifier.json(VERIFY, body.clone()).await;
        assert_eq!(answer.problem(), (status, code.into()), "{}", &body[..body.len().min(80)]);
    }
    let answer = verifier.json(VERIFY, "{\"key\":\"x\",\"admin\":true}").await;
    assert!(answer.body.contains("unknown field `admin`"), "it names the field: {answer:?}");
    let answer = verifier
        .send(
            verifier
                .request("POST", VERIFY)
                .header("content-type", "application/json")
                .body(&b"{\"key\":\"\xff\"}"[..]),
        )
        .await;
    assert_eq!(answer.problem(), (400, "invalid_json".into()));
    insta::assert_snapshot!(verifier.json(VERIFY, "{").await.whole());
}

#[tokio::test]
async fn a_body_must_not_exceed_64_kibibytes_with_or_without_content_length() {
    let server = Server::start();
    let verifier = verifier(&server).await;
    let body = |length: usize| format!("{{\"key\":\"{}\"}}", "x".repeat(length - 10));
    assert_eq!(verifier.json(VERIFY, body(65_536)).await.status, 200);
    assert_eq!(verifier.json(VERIFY, body(65_537)).await.problem(), (413, "too_large".into()));
    let head = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let answer = crate::harness::raw::exchange(server.address, format!("{head}{}0\r\n\r\n", chunk.repeat(3)));
    assert_eq!(answer.status(), 413, "{}", answer.text);
    let verifying = server.bearer(&server.key(&[]).await.1);
    assert_eq!(verifying.get("/auth").await.status, 200);
}

#[tokio::test]
async fn only_the_json_content_type_is_accepted_as_json() {
    let server = Server::start();
    let verifier = verifier(&server).await;
    for (kind, status) in [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonx", 415),
        ("text/json", 415),
        ("", 415),
    ] {
        let request = verifier.request("POST", VERIFY).header("content-type", kind).body("{\"key\":\"x\"}");
        assert_eq!(verifier.send(request).await.status, status, "{kind}");
    }
    for headers in [
        &[][..],
        &[("content-type", "application/json"), ("content-type", "text/plain")],
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
    ] {
        let request = verifier.request("POST", VERIFY).body("{\"key\":\"x\"}");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        assert_eq!(verifier.send(request).await.problem(), (415, "unsupported_media_type".into()), "{headers:?}");
    }
}

#[tokio::test]
async fn the_caller_is_checked_before_the_body() {
    let server = Server::start();
    for body in ["", "{", "{\"key\":\"x\"}"] {
        assert_eq!(server.anon().json(VERIFY, body).await.problem(), (401, "missing_key".into()));
        assert_eq!(server.bearer("junk").json(VERIFY, body).await.problem(), (401, "invalid_key".into()));
    }
}

#[tokio::test]
async fn a_refused_form_keeps_the_input_and_names_the_field() {
    let server = Server::start();
    let member = server.member().await;
    let many: String = (0..51).map(|number| format!("scope:{number} ")).collect();
    let long = "n".repeat(900);
    for (field, value) in [
        ("name", ""),
        ("name", "   "),
        ("name", "right\u{202e}to left"),
        ("name", "zero\u{200b}width"),
        ("name", "line\nbreak"),
        ("name", "nul\0"),
        ("name", long.as_str()),
        ("expires", "soon"),
        ("expires", "-1"),
        ("expires", "1e30"),
        ("scopes", "a*b"),
        ("scopes", ":colon first"),
        ("scopes", "sc\u{f6}pe"),
        ("scopes", many.as_str()),
        ("allowed_ips", "everywhere"),
        ("allowed_ips", "10.0.0.0/33"),
        ("allowed_ips", "::1/129"),
    ] {
        let mut fields = vec![("name", "my key"), ("expires", "90d"), ("scopes", "orders:read")];
        fields.retain(|(name, _)| *name != field || field == "scopes");
        fields.push((field, value));
        let refused = member.form("/keys", &fields).await;
        assert_eq!((refused.status, refused.new_key()), (422, None), "{field}: {}", &value[..value.len().min(40)]);
        assert!(refused.body.contains("field-error") && refused.body.contains("role=\"alert\""), "{field}: {value}");
        assert!(refused.body.contains("orders:read"), "{field}");
        if field != "name" {
            assert_eq!(refused.input("name"), "my key");
        }
        if field == "name" && value.len() > 3 && !value.contains(['\n', '\0']) {
            assert_eq!(refused.input("name"), value, "what was typed is kept");
        }
    }
    assert_eq!(member.get("/keys").await.body.matches("href=\"/keys/0").count(), 0, "no key was made");
}

#[tokio::test]
async fn impossible_dates_and_dates_too_far_ahead_are_refused() {
    let server = Server::start();
    let member = server.member().await;
    for day in [
        "",
        "2026-11-22",
        "2026-02-30",
        "10000-01-01",
        "9999-12-31",
        "-1000-01-01",
        "2027-1-1",
        "tomorrow",
        "20270101",
        "0000-00-00",
        &"(".repeat(10_000),
    ] {
        let refused = member.form("/keys", &[("name", "my key"), ("expires", "custom"), ("expires_on", day)]).await;
        assert_eq!((refused.status, refused.new_key()), (422, None), "{}", &day[..day.len().min(20)]);
    }
    let (_, key) = member.make_key_with(&[("name", "n"), ("expires", "custom"), ("expires_on", "2026-11-23")]).await;
    let record = server.bearer(&key).get("/api/v1/keys/current").await.json();
    assert_eq!(record["expires_at"], "2026-11-24T00:00:00Z");
}

#[tokio::test]
async fn hostile_names_are_stored_and_shown_as_text() {
    let server = Server::start();
    let member = server.member().await;
    let names = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' OR 1=1 --",
        "{{7*7}}",
        "&lt;b&gt;",
        "\u{5d0}\u{5d1}\u{5d2}",
        "\u{1f511}\u{1f511}",
        "a%00b",
        "javascript:alert(1)",
    ];
    for name in names {
        let (id, key) = member.make_key(name).await;
        assert_eq!(server.bearer(&key).get("/api/v1/keys/current").await.json()["name"], name);
        for page in [format!("/keys/{id}"), "/keys".into()] {
            let page = member.get(&page).await;
            assert_eq!(page.status, 200);
            assert!(
                !page.body.contains("<script>alert")
                    && !page.body.contains("<img src=x")
                    && !page.body.contains(">49<"),
                "{page:?}"
            );
        }
    }
}

#[tokio::test]
async fn unknown_and_duplicate_parameters_are_harmless() {
    let server = Server::start();
    let admin = server.admin().await;
    for path in [
        "/keys?after=x&after=y",
        "/keys?unknown=1",
        "/login?next=a&next=b",
        "/login?notice=a&notice=b",
        "/setup?token=a&token=b",
        "/admin/keys?q=a&q=b",
        "/events?after=1&after=2",
        "/events?after=x",
        "/events?after=99999999999999999999",
        "/events?after=-1",
        "/keys?after=%ff",
        "/keys?%ff=%fe",
        "/keys?&&&==&",
        "/admin/keys?q=%00",
        "/keys?notice=%3Cscript%3E",
    ] {
        let answer = admin.get(path).await;
        assert!([200, 400, 403, 422].contains(&answer.status), "{path}: {}", answer.status);
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{path}: {answer:?}");
        assert!(!answer.body.contains("<script>alert") && !answer.body.contains("deserialize"), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn urls_and_headers_have_limits() {
    let server = Server::start();
    let anon = server.anon();
    let long = |length: usize| format!("/api/{}", "x".repeat(length));
    assert_eq!(anon.get(&long(8000)).await.problem(), (404, "not_found".into()));
    assert_eq!(anon.get(&long(9000)).await.problem(), (414, "uri_too_long".into()));
    let with = |length: usize| anon.request("GET", "/api/x").header("x-long", "x".repeat(length));
    assert_eq!(anon.send(with(15_000)).await.problem(), (404, "not_found".into()));
    assert_eq!(anon.send(with(17_000)).await.problem(), (431, "headers_too_large".into()));
    let gateway = anon.request("GET", "/auth").header("x-long", "x".repeat(17_000));
    assert_eq!(anon.send(gateway).await.problem(), (431, "headers_too_large".into()));
    assert_eq!(anon.get(&format!("/auth{}", &long(9000))).await.problem(), (414, "uri_too_long".into()));
}

#[tokio::test]
async fn a_member_must_not_exceed_a_thousand_keys() {
    let server = Server::start();
    let member = server.member().await;
    let owner = server.user(crate::harness::MEMBER, keybearer::testing::Role::Member).await.id;
    let row = |number: u128| {
        let (id, digest) = (bytes(number.to_be_bytes()), bytes([number.to_be_bytes(); 2].concat()));
        format!("({id}, {digest}, {}, 'n', 'kb', 'h', '', 1, 0, '', '{{}}')", bytes(owner.as_bytes()))
    };
    let rows: Vec<String> = (1..=1000).map(row).collect();
    server.home.execute(format!(
        "INSERT INTO keys (id, digest, owner_id, name, prefix, hint, scopes, enabled, created_at, allowed_ips, metadata)
         VALUES {}",
        rows.join(", ")
    ));
    let refused = member.form("/keys", &[("name", "one more"), ("expires", "90d")]).await;
    assert_eq!((refused.status, refused.new_key()), (409, None));
    assert!(refused.body.contains("1,000"), "it says what to do: {refused:?}");
}

#[tokio::test]
async fn forms_queries_and_lists_of_any_length_are_refused_before_they_are_read() {
    let server = Server::start();
    let member = server.member().await;
    let token = member.csrf_token().await;
    let form = async |body: String| {
        let request = member.request("POST", "/keys").header("content-type", "application/x-www-form-urlencoded");
        member.send(request.body(format!("csrf_token={token}&name=n&expires=90d{body}"))).await
    };
    for body in [
        "&scopes=a".repeat(6000),
        "&".repeat(60_000),
        format!("&scopes={}", "a!+".repeat(20_000)),
        format!("&scopes={}", (0..9000).map(|n| format!("s{n}+")).collect::<String>()),
        (0..80).map(|n| format!("&scopes=s{n}")).collect(),
        format!("&allowed_ips={}", (0..4000).map(|n| format!("10.0.{}.{}+", n / 250, n % 250)).collect::<String>()),
        format!("&allowed_ips={}", "x%0A".repeat(10_000)),
    ] {
        let answer = form(body.clone()).await;
        assert_eq!(answer.status, 422, "{:.40}: {answer:?}", body);
        let inputs = answer.body.matches("name=\"scopes\"").count();
        assert!(inputs <= 60 && answer.body.len() < 200_000, "{:.40}: {inputs} {}", body, answer.body.len());
    }
    for (path, field) in [("/keys", "name"), ("/keys", "scopes"), ("/keys", "expires_on"), ("/keys", "allowed_ips")] {
        let long = [("csrf_token", token.as_str()), ("expires", "custom"), (field, &"\"<&".repeat(7_000))];
        let page = member.send(member.request("POST", path).form(&long)).await;
        assert!(page.status == 422 && page.body.len() < 40_000, "{field}: {} {}", page.status, page.body.len());
    }
    // As many as a key may have come back as they were typed.
    let page = form(format!("{}&scopes=!", (0..49).map(|n| format!("&scopes=s{n}")).collect::<String>())).await;
    assert!(page.status == 422 && page.body.contains("value=\"s48\""), "{page:?}");

    let verifier = verifier(&server).await;
    let list = |length: usize| format!("[{}]", vec!["\"a\""; length].join(","));
    let verify = async |length| verifier.json(VERIFY, format!("{{\"key\":\"x\",\"scopes\":{}}}", list(length))).await;
    assert_eq!(verify(50).await.status, 200);
    for length in [51, 15_000] {
        let answer = verify(length).await;
        assert_eq!(answer.problem(), (422, "invalid_field".to_owned()));
        assert_eq!(answer.json()["field"], "scopes");
        assert!(answer.body.contains("more than 50 members") && answer.body.len() < 1000, "{answer:?}");
    }
    server.user(crate::harness::ADMIN, keybearer::testing::Role::Admin).await;
    let manager = server.key_of(crate::harness::ADMIN, &["keybearer:keys"], |_| {}).await.1;
    let manager = server.bearer(&manager);
    for field in ["scopes", "allowed_ips"] {
        let body = format!("{{\"name\":\"n\",\"{field}\":{}}}", list(51));
        let answer = manager.json("/api/v1/keys", body).await;
        assert_eq!((answer.status, &answer.json()["field"]), (422, &field.into()), "{answer:?}");
    }
    let query = format!("/api/v1/keys?{}", "limit=1&".repeat(900));
    assert_eq!(manager.get(&query).await.problem(), (422, "invalid_field".to_owned()));
    let scopes = "a+".repeat(3000);
    assert_eq!(manager.get(&format!("/auth?scope={scopes}")).await.problem(), (400, "invalid_request".to_owned()));
    let many = (0..9000).map(|n| format!("p{n}=&")).collect::<String>();
    let request =
        verifier.request("POST", "/oauth/introspect").header("content-type", "application/x-www-form-urlencoded");
    let answer = verifier.send(request.body(format!("{many}token=x"))).await;
    assert_eq!((answer.status, &answer.json()["error"]), (400, &"invalid_request".into()), "{answer:?}");
}
