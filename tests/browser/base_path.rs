//! Keybearer below a path of a host, behind nginx, which passes the path on or removes it.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::StatusCode;
use tempfile::TempDir;

use super::browser::browse;
use super::server::Server;

/// nginx on a free port, in front of a server at `path`.
struct Proxy {
    child: Child,
    server: Server,
    _directory: TempDir,
}

impl Proxy {
    /// `to` follows the server's address in `proxy_pass`: nothing passes the path on, a slash removes it.
    fn start(path: &str, to: &str) -> Self {
        let (directory, port) = (TempDir::new().unwrap(), free_port());
        let url = format!("http://127.0.0.1:{port}{path}");
        let mut server = Server::with_admin_and(&["--public-url", &url]);
        let configuration = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr; events {{}}
             http {{
                 access_log off;
                 client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                 uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                 server {{
                     listen 127.0.0.1:{port};
                     location {path}/ {{
                         proxy_pass {}{to};
                         proxy_set_header Host $http_host;
                     }}
                 }}
             }}",
            server.url
        );
        std::fs::write(directory.path().join("nginx.conf"), configuration).unwrap();
        let mut nginx = Command::new("nginx");
        nginx.args(["-p", ".", "-c", "nginx.conf"]).current_dir(directory.path()).env("PATH", paths());
        let child =
            nginx.stderr(Stdio::null()).spawn().expect("nginx is installed; tests/install-gateways installs it");
        server.url = url;
        let proxy = Proxy { child, server, _directory: directory };
        let is_up = (0..3000).any(|_| {
            let is_up = TcpStream::connect(("127.0.0.1", port)).is_ok();
            if !is_up {
                std::thread::sleep(Duration::from_millis(10));
            }
            is_up
        });
        assert!(is_up, "nginx does not listen");
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it has ended already
        let _ = self.child.wait();
    }
}

/// nginx is in a folder that users other than root do not search.
fn paths() -> String {
    format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Returns the URLs that the page has loaded, once its script shows it again. The browser lists a request a moment after
/// the script has its answer.
const BROUGHT_BACK: &str = "
    const done = arguments[0];
    dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
    const look = (tries) => {
        const loaded = performance.getEntriesByType('resource').map((entry) => entry.name);
        const isListed = loaded.some((name) => name.endsWith('/account'));
        if (tries > 0 && (document.documentElement.hidden || !isListed)) return setTimeout(look, 20, tries - 1);
        done(loaded);
    };
    look(500);
";

fn a_user_creates_and_revokes_a_key(path: &'static str, to: &'static str) {
    browse(&[], move |browser| async move {
        let proxy = Proxy::start(path, to);
        let server = &proxy.server;
        browser.goto(&format!("{}/keys/new", server.url)).await;
        browser.sees_heading("Sign in").await;
        browser.logs_in(server).await;
        let key = browser.makes_a_key(server, "below a path").await;
        assert!(browser.text().await.contains(&format!("{}/api/v1/keys/current", server.url)));
        assert_eq!(server.call(&key).await.0, StatusCode::OK);

        for (link, heading) in [
            ("People", "People"),
            ("Audit log", "Audit log"),
            ("All keys", "All keys"),
            ("API reference", "API reference"),
            ("My keys", "My keys"),
            ("below a path", "below a path"),
        ] {
            browser.follow(link).await;
            browser.sees_heading(heading).await;
            assert!(browser.path().await.starts_with(&format!("{path}/")), "{}", browser.path().await);
        }
        browser.chooses_in_own_menu("Account").await;
        browser.sees_heading("Account").await;
        browser.back().await;
        browser.sees_heading("below a path").await;
        // The style sheet and the script are there.
        browser.click("Revoke…").await;
        assert!(browser.has("dialog:modal").await);
        browser.follow("Revoke this key").await;
        browser.sees_heading("My keys").await;
        assert_eq!(server.call(&key).await.0, StatusCode::UNAUTHORIZED);
        // As if Back had brought the page: its script asks whether somebody is still signed in.
        let asked = browser.async_script(BROUGHT_BACK, vec![]).await;
        assert!(asked.as_array().unwrap().contains(&format!("{}/account", server.url).into()), "{asked}");
        browser.sees_heading("My keys").await;
        browser.finds_the_console_empty().await;
        browser.chooses_in_own_menu("Sign out").await;
        browser.sees_heading("Sign in").await;
        browser.back().await;
        browser.sees_heading("Sign in").await;
        assert!(browser.path().await.starts_with(&format!("{path}/login")), "{}", browser.path().await);
    });
}

#[test]
#[ignore = "needs Chromium and nginx: tests/run runs it"]
fn the_dashboard_works_below_a_path_that_the_proxy_passes_on() {
    a_user_creates_and_revokes_a_key("/keys", "");
}

#[test]
#[ignore = "needs Chromium and nginx: tests/run runs it"]
fn the_dashboard_works_below_a_path_that_the_proxy_removes() {
    a_user_creates_and_revokes_a_key("/tools/api-keys", "/");
}
