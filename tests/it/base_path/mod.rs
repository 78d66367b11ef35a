//! A public URL with a path: everything that the server sends leads below it, and requests are served with and without
//! it.

mod links;
mod programs;
mod start;

use keybearer::testing::{HttpSettings, Policies, Policy, PublicUrl, Role};

use crate::harness::{Client, MEMBER, PASSWORD, Server, raw};

const BASE: &str = "/tools/api-keys";
const URL: &str = "https://example.test/tools/api-keys";
const UNKNOWN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn at(url: &'static str) -> impl FnOnce(&mut HttpSettings) {
    move |settings| settings.public_url = PublicUrl::parse(url).unwrap()
}

fn server() -> Server {
    Server::with(at(URL))
}

/// This person, signed in with a browser whose proxy passes the base path on.
async fn person(server: &Server, email: &str, role: Role) -> Client {
    server.user(email, role).await;
    let browser = server.anon().below(BASE);
    let answer = browser.sign_in(email, PASSWORD).await;
    assert_eq!((answer.status, answer.location()), (303, "/tools/api-keys/keys"), "{answer:?}");
    browser
}

fn policies(settings: &mut HttpSettings) {
    let policies = [("orders-read", Policy::parse(["orders:read"], false)), ("open", Policy::parse([], true))];
    let policies = policies.map(|(name, policy)| (name.to_owned(), policy.unwrap()));
    settings.policies = Policies::parse(policies).unwrap();
}

/// The status of `GET target`, exactly as written.
fn ask(server: &Server, target: &str, key: &str) -> raw::Raw {
    let key = format!("X-API-Key: {key}");
    raw::exchange(server.address, raw::request(&format!("GET {target}"), &[&key, "Connection: close"], ""))
}

#[tokio::test]
async fn gateways_get_the_same_verdict_with_and_without_the_base_path() {
    let server = Server::with(|settings| {
        at("http://example.test/keys")(settings);
        policies(settings);
    });
    let (_, good) = server.key(&["orders:read"]).await;
    let (_, poor) = server.key(&[]).await;
    for target in [
        "/auth",
        "/auth?scope=orders:read",
        "/auth/any/suffix",
        "/auth/nginx?policy=orders-read",
        "/auth/envoy/orders-read",
        "/auth/envoy/orders-read/keys/auth/envoy/open?policy=open",
        "/auth/envoy/open/keys/x",
        "/auth?scope=",
        "/auth/nginxx",
        "/Auth/nginx",
        "//auth/nginx",
        "/auth//envoy/open",
        "/auth/../auth/nginx",
        "/auth%2fnginx",
        "/authority",
        "/../auth",
        "/%2e%2e/auth",
        "//auth",
        "/%61uth",
    ] {
        for key in [&good, &poor] {
            let (plain, below) = (ask(&server, target, key), ask(&server, &format!("/keys{target}"), key));
            assert_eq!(plain.status(), below.status(), "{target}");
        }
    }
    for (target, status) in [
        ("/keys/auth?scope=orders:read", 403),
        ("/keys/auth/envoy/orders-read/keys/auth", 403),
        ("/keys/auth/envoy/open/keys/x", 200),
        ("/keys/auth/nginx?policy=orders-read", 403),
        // The path that a client asked for names no policy and is no base path.
        ("/auth/envoy/orders-read/keys/auth/envoy/open", 403),
        ("/auth/envoy/orders-read/../../../keys/auth/envoy/open", 403),
    ] {
        assert_eq!(ask(&server, target, &poor).status(), status, "{target}");
    }
    // None of these is our path: no request passes.
    for target in [
        "/keysmith/auth",
        "/keys%2fauth",
        "/keys;/auth",
        "/KEYS/auth",
        "/%6beys/auth",
        "//keys/auth",
        "/./keys/auth",
        "/x/../keys/auth",
        "/keys/keys/auth",
        "/keys//auth",
        "/keys/../auth",
    ] {
        let status = ask(&server, target, &good).status();
        assert!([303, 404].contains(&status), "{target}: {status}");
    }
}

/// The HTTP library refuses these before any of our code has seen a request.
#[tokio::test]
async fn a_request_that_is_refused_unread_is_answered_in_its_gateways_form() {
    let server = server();
    let many: String = (0..200).map(|number| format!("x-{number}: a\r\n")).collect();
    for (path, status) in [("/auth/nginx", 403), ("/tools/api-keys/auth/nginx", 403), ("/tools/api-keys/auth", 431)] {
        let answer = raw::exchange(server.address, format!("GET {path} HTTP/1.1\r\nHost: keys.test\r\n{many}\r\n"));
        assert_eq!(answer.status(), status, "{path}: {}", answer.text);
        assert_eq!(answer.text.contains("\r\nx-auth-status: 431\r\n"), status == 403, "{}", answer.text);
    }
}

/// `/keys` is the base path and the path of a page. The base path is removed once, whatever follows.
#[tokio::test]
async fn a_base_path_that_is_also_a_page_is_removed_once() {
    let server = Server::with(at("http://example.test/keys"));
    let (id, key) = server.key_of(MEMBER, &["keybearer:keys"], |_| {}).await;
    let browser = server.anon();
    let signed_in = browser.form("/login", &[("email", MEMBER), ("password", PASSWORD)]).await;
    assert_eq!(signed_in.location(), "/keys/keys");
    for (path, status, heading) in [
        ("/keys", 200, "My keys"),
        ("/keys/", 200, "My keys"),
        ("/keys/keys", 200, "My keys"),
        ("/keys/keys/new", 200, "New key"),
        ("/keys/account", 200, "Account"),
        ("/account", 200, "Account"),
        // Without the base path, a proxy would have to pass it on.
        ("/keys/new", 404, "Page not found"),
        ("/keys/keys/keys", 404, "Page not found"),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, status, "{path}");
        assert!(page.body.contains(&format!("<h1>{heading}</h1>")), "{path}: {page:?}");
    }
    let shown = browser.get(&format!("/keys/keys/{id}")).await;
    assert_eq!(shown.status, 200);
    assert!(shown.body.contains(&format!("action=\"/keys/keys/{id}/revoke\"")), "{shown:?}");
    let program = server.bearer(&key);
    for path in ["/api/v1/keys", "/keys/api/v1/keys", "/api/v1/keys/current", "/keys/api/v1/keys/current"] {
        assert_eq!(program.get(path).await.status, 200, "{path}");
    }
    assert_eq!(program.get("/keys/keys/api/v1/keys").await.status, 404);
    assert_eq!(program.get("/api/keys/v1/keys").await.status, 404);
}
