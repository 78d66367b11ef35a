//! Keybearer below a path of a host, behind real proxies with the lines of `docs/operating.md`.

use std::net::SocketAddr;
use std::process::Command;

use super::client::{self, Answer};
use super::gateway::{installed, with_ports};
use super::home::{Home, OWNER};
use super::process::{Process, free_address};
use super::recipes::blocks;

/// The documented block in this language.
fn documented(language: &str) -> String {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md")).unwrap();
    let section = page.split("\n## Behind a path\n").nth(1).unwrap().split("\n## ").next().unwrap();
    blocks(section).into_iter().find(|(own, _)| *own == language).unwrap().1.to_owned()
}

/// `text` with one part replaced, which must be there.
fn with(text: &str, part: &str, other: &str) -> String {
    assert!(text.contains(part), "it does not say {part}:\n{text}");
    text.replace(part, other)
}

/// The documented server, on port 8000 and without TLS.
fn nginx() -> String {
    let server = with(&documented("nginx"), "listen 443 ssl;", "listen 127.0.0.1:8000;");
    format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n    access_log off;\n    \
         client_body_temp_path body;\n    proxy_temp_path proxy;\n    fastcgi_temp_path fastcgi;\n    uwsgi_temp_path uwsgi;\n    \
         scgi_temp_path scgi;\n{server}}}\n"
    )
}

fn caddy() -> String {
    let site = with(&documented("caddyfile"), "example.com {\n", "http://:8000 {\n\tbind 127.0.0.1\n");
    format!("{{\n\tadmin off\n\tauto_https off\n}}\n{site}")
}

/// Keybearer at this path behind a proxy; the proxy's address.
struct Proxied {
    _home: Home,
    keybearer: SocketAddr,
    address: SocketAddr,
    _processes: [Process; 2],
}

impl Proxied {
    fn start(path: &str, program: &str, arguments: &[&str], configuration: &str) -> Self {
        let (home, address) = (Home::new(), free_address());
        let url = format!("http://{address}{path}");
        let (server, keybearer) = Process::keybearer(&home, &["--public-url", &url]);
        home.write("proxy.conf", &with_ports(configuration, &[("8000", address), ("8080", keybearer)]));
        let mut command = Command::new(installed(program));
        command.current_dir(home.path()).args(arguments);
        let proxy = Process::start(command, &home, address);
        Proxied { _home: home, keybearer, address, _processes: [proxy, server] }
    }

    fn nginx(path: &str, configuration: &str) -> Self {
        Self::start(path, "nginx", &["-p", ".", "-c", "proxy.conf"], configuration)
    }

    fn caddy(path: &str, configuration: &str) -> Self {
        Self::start(path, "caddy", &["run", "--adapter", "caddyfile", "--config", "proxy.conf"], configuration)
    }

    fn get(&self, path: &str, lines: &[&str]) -> Answer {
        client::get(self.address, path, lines)
    }
}

/// The value of the first attribute that begins with `start`.
fn attribute<'a>(page: &'a Answer, start: &str) -> &'a str {
    let rest = page.body.split_once(start).unwrap_or_else(|| panic!("no {start} in {}\n{}", page.head, page.body)).1;
    rest.split('"').next().unwrap()
}

/// Name and value of every cookie that a response sets, which must have this path.
fn cookies(answer: &Answer, path: &str) -> String {
    let cookies = answer.all("set-cookie").into_iter().map(|cookie| {
        assert!(cookie.contains(&format!("; Path={path}")), "{cookie}");
        cookie.split(';').next().unwrap()
    });
    cookies.collect::<Vec<_>>().join("; ")
}

fn serves_everything(proxied: &Proxied, path: &str) {
    let below = |own: &str| format!("{path}{own}");
    let form = "Content-Type: application/x-www-form-urlencoded";
    let page = proxied.get(&below("/login"), &[]);
    assert_eq!((page.status, attribute(&page, "action=\"")), (200, &*below("/login")), "{}", page.body);
    for start in ["rel=\"stylesheet\" href=\"", "type=\"module\" src=\"", "type=\"image/svg+xml\" href=\""] {
        assert_eq!(proxied.get(attribute(&page, start), &[]).status, 200, "{start}");
    }
    let token = attribute(&page, "name=\"csrf_token\" value=\"");
    let body = format!("csrf_token={token}&email={OWNER}&password=a+long+walk+to+the+lighthouse");
    let cookie = format!("Cookie: {}", cookies(&page, path));
    let signed_in = client::request(proxied.address, "POST", &below("/login"), &[form, &cookie], &body);
    assert_eq!((signed_in.status, signed_in.header("location")), (303, &*below("/keys")), "{}", signed_in.body);
    let cookie = format!("Cookie: {}", cookies(&signed_in, path));

    let list = proxied.get(&below("/keys"), &[&cookie]);
    assert_eq!((list.status, list.body.contains("<h1>My keys</h1>")), (200, true), "{}", list.body);
    let new = proxied.get(&below("/keys/new"), &[&cookie]);
    assert_eq!(new.status, 200, "{}", new.body);
    let body = format!("csrf_token={}&name=n&expires=30d", attribute(&new, "name=\"csrf_token\" value=\""));
    let shown = client::request(proxied.address, "POST", &below("/keys"), &[form, &cookie], &body);
    let key = shown.body.split("<output id=\"new-key\"").nth(1).expect("the page shows the key");
    let key = key.split_once('>').unwrap().1.split('<').next().unwrap();
    let bearer = format!("Authorization: Bearer {key}");
    assert_eq!(proxied.get(&below("/api/v1/keys/current"), &[&bearer]).status, 200);
    assert_eq!(proxied.get(&below("/auth"), &[&bearer]).status, 200);
    // A gateway on the same machine.
    assert_eq!(client::get(proxied.keybearer, "/auth", &[&bearer]).status, 200);
    assert_eq!(proxied.get(&below("/auth?scope=orders:read"), &[&bearer]).status, 403);
    assert_eq!(client::get(proxied.keybearer, "/livez", &[]).status, 200);

    for place in
        [below("/.well-known/oauth-authorization-server"), format!("/.well-known/oauth-authorization-server{path}")]
    {
        let metadata: serde_json::Value = serde_json::from_str(&proxied.get(&place, &[]).body).unwrap();
        assert_eq!(metadata["issuer"], format!("http://{}{path}", proxied.address), "{place}");
    }
    // Nothing else of the host is ours.
    for other in ["/login", &format!("{path}mith/login"), "/auth", "/livez"] {
        let answer = proxied.get(other, &[&bearer]);
        assert!(!answer.head.to_ascii_lowercase().contains("x-request-id"), "{other}: {}", answer.head);
    }
    let root = proxied.get(path, &[&cookie]);
    assert!([200, 301, 302].contains(&root.status), "{}", root.head);
    assert_eq!(proxied.get(&below("/"), &[&cookie]).status, 200);
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn nginx_passes_the_path_on() {
    serves_everything(&Proxied::nginx("/keys", &nginx()), "/keys");
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn nginx_removes_the_path() {
    let moved = with(&nginx(), "/keys", "/api-keys");
    let passes_on = "location /api-keys/ {\n        proxy_pass http://127.0.0.1:8080;";
    let removes = "location /api-keys/ {\n        proxy_pass http://127.0.0.1:8080/;";
    serves_everything(&Proxied::nginx("/api-keys", &with(&moved, passes_on, removes)), "/api-keys");
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn caddy_passes_the_path_on() {
    serves_everything(&Proxied::caddy("/keys", &caddy()), "/keys");
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn caddy_removes_the_path() {
    let moved = with(&caddy(), "/keys", "/tools/api-keys");
    let passes_on = "@keybearer path /tools/api-keys /tools/api-keys/* /.well-known";
    let removes = "redir /tools/api-keys /tools/api-keys/\n\thandle_path /tools/api-keys/* {\n\t\t\
                   reverse_proxy 127.0.0.1:8080\n\t}\n\t@keybearer path /.well-known";
    serves_everything(&Proxied::caddy("/tools/api-keys", &with(&moved, passes_on, removes)), "/tools/api-keys");
}
