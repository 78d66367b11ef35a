//! An API that verifies keys itself, in each documented framework, with the documented code.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::client::{self, Answer};
use super::gateway::{installed, with_ports};
use super::home::{Home, OWNER, documented};
use super::process::{Process, free_address};

struct Api {
    home: Home,
    address: SocketAddr,
    keybearer: Process,
    _api: Process,
}

impl Api {
    /// Files of `docs/gateways` with their ports replaced, and the command that runs them beside each other.
    fn start(files: &[&str], command: impl FnOnce(&Path, SocketAddr, SocketAddr) -> Command) -> Self {
        let (home, address) = (Home::new(), free_address());
        let (keybearer, asked) = Process::keybearer(&home, &[]);
        for name in files {
            home.write(name, &with_ports(&documented(name), &[("8000", address), ("8080", asked)]));
        }
        let mut command = command(home.path(), address, asked);
        command.current_dir(home.path());
        let _api = Process::start(command, &home, address);
        Api { home, address, keybearer, _api }
    }

    fn get(&self, lines: &[&str]) -> Answer {
        client::get(self.address, "/orders", lines)
    }

    fn refused(&self, lines: &[&str], status: u16) -> Answer {
        let answer = self.get(lines);
        assert_eq!(answer.status, status, "{lines:?}\n{}\n{}", answer.head, answer.body);
        assert!(!answer.body.contains(OWNER), "{}", answer.body);
        answer
    }

    fn passed(&self, lines: &[&str]) {
        let answer = self.get(lines);
        assert_eq!(answer.status, 200, "{lines:?}\n{}\n{}", answer.head, answer.body);
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body, serde_json::json!({ "owner": OWNER }));
    }

    fn until(&self, status: u16, lines: &[&str]) {
        let patience = Instant::now() + Duration::from_secs(20);
        while self.get(lines).status != status {
            assert!(Instant::now() < patience, "not {status} within 20 s");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn keeps_every_promise(mut self) {
        let reader = self.home.key(&["--scope", "orders:read"]);
        let bearer = reader.bearer();
        self.passed(&[&bearer]);
        self.passed(&[&format!("authorization: bEARER  {}", reader.text)]);
        self.passed(&[&bearer, "X-Auth-Owner: root@example.com", "X-Auth-Scopes: *"]);

        let answer = self.refused(&[], 401);
        assert_eq!(answer.all("WWW-Authenticate"), ["Bearer realm=\"keybearer\""], "{}", answer.head);
        for bad in ["kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs", "x", "%20", "ü"] {
            let answer = self.refused(&[&format!("Authorization: Bearer {bad}")], 401);
            let challenge = "Bearer realm=\"keybearer\", error=\"invalid_token\"";
            assert_eq!(answer.all("WWW-Authenticate"), [challenge], "{}", answer.head);
            assert!(answer.body.contains("invalid_key"), "{}", answer.body);
        }
        for scheme in ["", "Token ", "Bearer", "Basic "] {
            self.refused(&[&format!("Authorization: {scheme}{}", reader.text)], 401);
        }

        let narrow = self.home.key(&["--scope", "users:read"]);
        for query in ["", "?scope=users:read", "?scope=&policy=catalogue"] {
            let answer = client::get(self.address, &format!("/orders{query}"), &[&narrow.bearer()]);
            assert_eq!(answer.status, 403, "{query}: {}", answer.head);
            let challenge = answer.header("WWW-Authenticate");
            assert!(challenge.contains("insufficient_scope") && challenge.contains("orders:read"), "{}", answer.head);
        }
        // Whichever of two keys counts, it is judged; mostly both are seen, and refused.
        for pair in [[&narrow.bearer(), "Authorization: Bearer x"], ["Authorization: Bearer x", &narrow.bearer()]] {
            let answer = self.get(&pair);
            assert!(matches!(answer.status, 400 | 401 | 403), "{}", answer.head);
        }
        let here = self.home.key(&["--scope", "orders:*", "--allow-ip", "127.0.0.1"]);
        let elsewhere = self.home.key(&["--scope", "orders:*", "--allow-ip", "203.0.113.7"]);
        for forged in ["X-Forwarded-For: 203.0.113.7", "X-Real-IP: 203.0.113.7", "Forwarded: for=203.0.113.7"] {
            self.passed(&[forged, &here.bearer()]);
            self.refused(&[forged, &elsewhere.bearer()], 403);
        }
        let limited = self.home.key(&["--scope", "orders:read", "--rate-limit", "1/60"]);
        self.passed(&[&limited.bearer()]);
        let answer = self.refused(&[&limited.bearer()], 429);
        let wait: u32 = answer.header("Retry-After").parse().unwrap();
        assert!((1..=60).contains(&wait), "{}", answer.head);

        for _ in 0..3 {
            let key = self.home.key(&["--scope", "orders:*"]);
            self.passed(&[&key.bearer()]);
            self.home.revoke(&key);
            self.refused(&[&key.bearer()], 401);
        }
        let (database, elsewhere) = (self.home.path().join("keybearer.db"), self.home.path().join("elsewhere"));
        std::fs::rename(&database, &elsewhere).unwrap();
        self.until(503, &[&bearer]);
        std::fs::rename(&elsewhere, &database).unwrap();
        self.until(200, &[&bearer]);
        assert_eq!(self.keybearer.paused(|| self.get(&[&bearer]).status), 503);
        self.until(200, &[&bearer]);
        self.keybearer.kill();
        for lines in [&[&*bearer][..], &[]] {
            let answer = self.refused(lines, 503);
            assert_eq!(answer.header("Retry-After"), "1", "{}", answer.head);
        }
    }
}

fn of_python(program: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("target/gateways/bin").join(program))
}

#[test]
#[ignore = "needs the real frameworks: tests/run runs it"]
fn fastapi_keeps_every_promise() {
    let run = |_: &Path, address: SocketAddr, _| {
        let mut command = of_python("uvicorn");
        command.args(["fastapi_app:app", "--port", &address.port().to_string(), "--no-proxy-headers"]);
        command
    };
    Api::start(&["fastapi_app.py"], run).keeps_every_promise();
}

#[test]
#[ignore = "needs the real frameworks: tests/run runs it"]
fn flask_keeps_every_promise() {
    let run = |_: &Path, address: SocketAddr, _| {
        let mut command = of_python("flask");
        command.args(["--app", "flask_app", "run", "--port", &address.port().to_string()]);
        command
    };
    Api::start(&["flask_app.py"], run).keeps_every_promise();
}

#[test]
#[ignore = "needs the real frameworks: tests/run runs it"]
fn django_keeps_every_promise() {
    let run = |_: &Path, _, _| {
        let mut command = of_python("python");
        command.arg("django_app.py");
        command
    };
    Api::start(&["django_app.py"], run).keeps_every_promise();
}

#[test]
#[ignore = "needs the real frameworks: tests/run runs it"]
fn express_keeps_every_promise() {
    let run = |home: &Path, _, _| {
        // Modules are looked for beside the file.
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/gateways/node_modules");
        std::os::unix::fs::symlink(modules, home.join("node_modules")).unwrap();
        let mut command = Command::new("node");
        command.arg("express_app.mjs");
        command
    };
    Api::start(&["express_app.mjs"], run).keeps_every_promise();
}

#[test]
#[ignore = "needs the real frameworks: tests/run runs it"]
fn go_net_http_keeps_every_promise() {
    let run = |home: &Path, _, _| {
        let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/gateways/go");
        let mut build = Command::new(installed("go"));
        build
            .current_dir(home)
            .args(["build", "-o", "orders", "net_http.go"])
            .env("GOCACHE", cache)
            .env("GOFLAGS", "-mod=mod");
        succeeds(build);
        Command::new(home.join("orders"))
    };
    Api::start(&["net_http.go"], run).keeps_every_promise();
}

/// Runs in the servlet container that Spring Boot embeds; see `spring/Orders.java`.
#[test]
#[ignore = "needs the real frameworks: tests/run runs it"]
fn the_filter_for_spring_keeps_every_promise() {
    let run = |home: &Path, address: SocketAddr, _| {
        let source = include_str!("spring/Orders.java");
        std::fs::write(home.join("Orders.java"), with_ports(source, &[("8000", address)])).unwrap();
        let jars = ["tomcat10-embed-core", "tomcat10-annotations-api"];
        let path = jars.iter().fold(".".to_owned(), |path, name| format!("{path}:/usr/share/java/{name}.jar"));
        let mut build = Command::new("javac");
        build.current_dir(home).args(["-cp", &path, "-d", ".", "KeybearerFilter.java", "Orders.java"]);
        succeeds(build);
        let mut command = Command::new("java");
        command.args(["-cp", &path, "Orders"]);
        command
    };
    Api::start(&["KeybearerFilter.java"], run).keeps_every_promise();
}

#[test]
#[ignore = "needs a free machine, like the others: tests/run runs it"]
fn actix_web_keeps_every_promise() {
    Api::start(&[], example("actix_web_app")).keeps_every_promise();
}

#[test]
#[ignore = "needs a free machine, like the others: tests/run runs it"]
fn axum_keeps_every_promise() {
    Api::start(&[], example("axum_app")).keeps_every_promise();
}

/// Cargo builds the documented file next to the program itself.
fn example(name: &'static str) -> impl FnOnce(&Path, SocketAddr, SocketAddr) -> Command {
    move |_, address, asked| {
        let program: PathBuf = Path::new(env!("CARGO_BIN_EXE_keybearer")).with_file_name("examples").join(name);
        assert!(program.exists(), "{} is not there: cargo build --examples", program.display());
        let mut command = Command::new(program);
        command.env("LISTEN", address.to_string()).env("KEYBEARER", format!("http://{asked}"));
        command
    }
}

fn succeeds(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
