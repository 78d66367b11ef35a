//! Settings: from flags, environment and file, named in messages as they were given.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use proptest::prelude::*;

use crate::harness::{Client, Home, Process};

/// All variables that the help names.
pub fn variables(home: &Home) -> Vec<String> {
    let help = home.run(&["serve", "--help"]);
    let names = help.split(['[', ']', ' ', '\n']).filter(|word| word.starts_with("KEYBEARER_"));
    let names: Vec<String> = names.map(str::to_owned).collect();
    assert!(names.len() > 20, "{help}");
    names
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The message on stderr when `words` are refused as wrong usage.
fn refused(home: &Home, words: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = home.without_settings(words);
    command.envs(environment.iter().copied());
    let output = command.assert().failure().code(2).get_output().clone();
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn variables_that_kubernetes_and_docker_set_for_a_service_called_keybearer_are_ignored() {
    let home = Home::new();
    home.add_admin();
    let injected = [
        ("KEYBEARER_PORT", "tcp://10.0.0.1:80"),
        ("KEYBEARER_SERVICE_HOST", "10.0.0.1"),
        ("KEYBEARER_SERVICE_PORT", "80"),
        ("KEYBEARER_SERVICE_PORT_HTTP", "80"),
        ("KEYBEARER_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("KEYBEARER_PORT_80_TCP_PROTO", "tcp"),
        ("KEYBEARER_PORT_80_TCP_PORT", "80"),
        ("KEYBEARER_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("KEYBEARER_METRICS_SERVICE_HOST", "10.0.0.2"),
        ("KEYBEARER_1_NAME", "/x/keybearer"),
        ("KEYBEARER_1_ENV_FOO", "x"),
        ("KEYBEARER_DB_NAME", "/web/db"),
        ("KEYBEARER_KEYBEARER_1_NAME", "/a/b"),
    ];
    home.keybearer(&["users", "list"]).envs(injected).assert().success();
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.envs(injected);
    assert_eq!(Process::of(command).anon().get("/livez").await.status, 200);
    assert!(refused(&home, &["users", "list"], &[("KEYBEARER_PORT", "8080")]).contains("KEYBEARER_LISTEN"));
    assert!(
        refused(&home, &["users", "list"], &[("KEYBEARER_LISTEM", "x")]).contains("Did you mean KEYBEARER_LISTEN?")
    );
}

#[tokio::test]
async fn blank_list_entries_are_ignored() {
    let home = Home::new();
    home.add_admin();
    for list in ["127.0.0.1/32,", ",127.0.0.1/32", "127.0.0.1/32, ,10.0.0.0/8", " 127.0.0.1/32 "] {
        let mut command =
            home.command(&["serve", "--listen", "127.0.0.1:0", "--key-prefix", "kb,", "--cors-origin", ""]);
        command.env("KEYBEARER_TRUSTED_PROXY", list);
        assert_eq!(Process::of(command).anon().get("/livez").await.status, 200, "{list}");
    }
}

#[test]
fn an_error_names_the_setting_as_the_operator_wrote_it() {
    let home = Home::new();
    for (setting, value) in [
        ("listen", "nonsense"),
        ("listen", "8080"),
        ("public-url", "ftp://x"),
        ("public-url", "https://x/?keys"),
        ("key-prefix", "kb,UPPER"),
        ("trusted-proxy", "10.0.0.0/8,somebody"),
        ("trusted-proxy", "unix:/run/kb.sock"),
        ("metrics-listen", "unix:metrics.sock"),
        ("workers", "0"),
        ("workers", "many"),
        ("connections", "1000001"),
        ("metrics-listen", "127.0.0.1"),
        ("grpc-listen", "http://x:1"),
        ("usage-retention", "soon"),
        ("bad-key-limit", "4294967296"),
        ("signing-rotation", "1s"),
        ("access-token-algorithm", "none"),
        ("access-token-lifetime", "2h"),
        ("access-token-audience", "not a uri"),
        ("access-token-audience", "api.example.com"),
        ("access-token-audience", "https://api.example.com/#part"),
        ("access-token-audience", "https://[api"),
        ("identity-algorithm", "HS256"),
        ("cors-origin", "*"),
        ("hsts", "max-age=soon"),
        ("token-lifetime", "25h"),
        ("refresh-reuse", "6m"),
        ("tls-cert", "alone.pem"),
        ("tls-key", "alone.pem"),
        ("database", "sqlite:"),
    ] {
        let (flag, variable) =
            (format!("--{setting}"), format!("KEYBEARER_{}", setting.to_uppercase().replace('-', "_")));
        let by_flag = refused(&home, &["serve", &flag, value], &[]);
        assert!(by_flag.contains(&flag) && !by_flag.contains("KEYBEARER_"), "{by_flag}");
        let by_variable = refused(&home, &["serve"], &[(&variable, value)]);
        assert!(by_variable.contains(&variable) && !by_variable.contains(&flag), "{by_variable}");
        std::fs::write(home.path("keybearer.toml"), format!("{setting} = {value:?}\n")).unwrap();
        let by_file = refused(&home, &["serve"], &[]);
        assert!(by_file.contains(&format!("{setting} ")) && by_file.contains("keybearer.toml"), "{by_file}");
        assert!(!by_file.contains(&flag) && !by_file.contains(&variable), "{by_file}");
        std::fs::remove_file(home.path("keybearer.toml")).unwrap();
    }
    assert!(
        refused(&home, &["users", "list"], &[("KEYBEARER_CONFIG", "gone.toml")]).contains("KEYBEARER_CONFIG=gone.toml")
    );
}

#[test]
fn a_blank_setting_is_refused_as_a_flag_and_in_the_file() {
    let home = Home::new();
    for setting in ["access-token-audience", "tls-cert", "tls-key", "signing-keys", "database", "listen"] {
        let flag = format!("--{setting}");
        let said = refused(&home, &["serve", &flag, " "], &[]);
        assert!(said.contains(&flag) && !said.contains("I/O"), "{said}");
        for blank in ["", " "] {
            std::fs::write(home.path("keybearer.toml"), format!("{setting} = {blank:?}\n")).unwrap();
            let said = refused(&home, &["serve"], &[]);
            assert!(said.contains(setting) && said.contains("in keybearer.toml") && !said.contains("I/O"), "{said}");
        }
        std::fs::remove_file(home.path("keybearer.toml")).unwrap();
    }
}

/// A file of variables with Windows line ends, and invisible trailing spaces.
#[test]
fn a_path_or_address_in_the_environment_is_trimmed() {
    let home = Home::new();
    home.add_admin();
    std::fs::write(home.path("set.toml"), "workers = 0\n").unwrap();
    assert!(refused(&home, &["serve"], &[("KEYBEARER_CONFIG", " set.toml\r")]).contains("in set.toml: write a number"));
    let database = format!(" {}\r", home.database_url());
    home.keybearer(&["users", "list"]).env("KEYBEARER_DATABASE", database).assert().success();
    for setting in ["TLS_CERT", "SIGNING_KEYS"] {
        let variable = format!("KEYBEARER_{setting}");
        let mut command = home.keybearer(&["serve", "--listen", "127.0.0.1:0"]);
        command.env(&variable, " gone.pem \r");
        if setting == "TLS_CERT" {
            command.env("KEYBEARER_TLS_KEY", "gone.pem\r");
        }
        let said = String::from_utf8(command.assert().failure().get_output().stderr.clone()).unwrap();
        assert!(said.contains(&format!("{variable} gone.pem: No such file")), "{said:?}");
    }
}

#[test]
fn a_settings_file_that_is_not_a_regular_file_is_refused() {
    let home = Home::new();
    let (pipe, toml) = (home.path("pipe"), home.path("keybearer.toml"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::fs::write(home.path("large"), vec![b'\n'; (1 << 20) + 1]).unwrap();
    for (target, what) in [
        (pipe.to_str().unwrap(), "it is a named pipe"),
        ("/dev/zero", "it is a device"),
        ("/", "it is a folder"),
        ("large", "larger than 1 MiB"),
        ("gone", "gone"),
    ] {
        let said = refused(&home, &["--config", target, "users", "list"], &[]);
        assert!(said.contains("--config") && said.contains(what), "{said}");
        std::os::unix::fs::symlink(target, &toml).unwrap();
        let said = refused(&home, &["users", "list"], &[]);
        assert!(said.contains("keybearer.toml") && said.contains(what), "{said}");
        std::fs::remove_file(&toml).unwrap();
    }
}

#[test]
fn an_error_found_only_at_startup_names_the_setting_as_written() {
    let home = Home::new();
    home.add_admin();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let said = |words: &[&str], environment: &[(&str, &str)]| {
        let mut command = home.keybearer(&[&["serve"], words].concat());
        command.env_remove("KEYBEARER_SIGNING_KEYS").envs(environment.iter().copied());
        String::from_utf8(command.assert().failure().code(1).get_output().stderr.clone()).unwrap()
    };
    let listen = said(&[], &[("KEYBEARER_LISTEN", &at)]);
    assert!(listen.contains("KEYBEARER_LISTEN") && !listen.contains("--listen") && listen.contains(&at), "{listen}");
    let tls = said(&["--listen", "127.0.0.1:0"], &[("KEYBEARER_TLS_CERT", "a.pem"), ("KEYBEARER_TLS_KEY", "b.pem")]);
    assert!(tls.contains("KEYBEARER_TLS_CERT a.pem") && !tls.contains("--tls"), "{tls}");
    std::fs::write(home.path("keybearer.toml"), "signing_keys = \"c.pem\"\n").unwrap();
    let keys = said(&["--listen", "127.0.0.1:0"], &[]);
    assert!(keys.contains("signing-keys in keybearer.toml c.pem"), "{keys}");
}

/// Whether this machine has this address; some containers have no IPv6.
fn has(ip: IpAddr) -> bool {
    TcpListener::bind((ip, 0)).is_ok()
}

async fn answers(ip: IpAddr, port: u16) -> bool {
    Client::anon(SocketAddr::new(ip, port)).tries("GET", "/metrics").await.is_some()
}

#[tokio::test]
async fn listen_addresses_may_be_a_host_name_or_only_a_port() {
    let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
    for listen in ["localhost:0", ":0", "[::]:0", "*:0"] {
        if listen == "[::]:0" && !has(v6) {
            continue;
        }
        let home = Home::new();
        let metrics = listen.replace(":0", &format!(":{}", free_port()));
        std::fs::write(home.path("keybearer.toml"), format!("metrics-listen = \"{metrics}\"\n")).unwrap();
        let mut command = home.command(&["serve"]);
        command.env("KEYBEARER_LISTEN", listen);
        let server = Process::of(command);
        let metrics = metrics.rsplit(':').next().unwrap().parse().unwrap();
        for ip in [v4, v6].into_iter().filter(|ip| has(*ip)) {
            assert!(answers(ip, server.address.port()).await, "{listen} at {ip}");
            assert!(answers(ip, metrics).await, "{listen} at {ip}");
        }
    }
}

#[tokio::test]
async fn every_listen_address_is_served() {
    let home = Home::new();
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let third = if has(v6) { "[::1]:0" } else { "127.0.0.2:0" };
    let server =
        Process::of(home.command(&["serve", "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--listen", third]));
    crate::harness::eventually(std::time::Duration::from_secs(20), "it is up", async || {
        server.log().contains("keybearer is up")
    })
    .await;
    let log = server.log();
    let listen = log.split("\"listen\":\"").nth(1).unwrap().split('"').next().unwrap();
    let addresses: Vec<SocketAddr> = listen.split(", ").map(|address| address.parse().unwrap()).collect();
    assert_eq!(addresses.len(), 3, "{listen}");
    for address in addresses {
        assert_eq!(Client::anon(address).get("/livez").await.status, 200, "{address}");
    }
    assert!(log.contains(&format!("\"url\":\"http://{}\"", server.address)), "{log}");
}

#[cfg(feature = "grpc")]
#[tokio::test]
async fn the_grpc_listener_accepts_a_host_name() {
    let home = Home::new();
    let port = free_port();
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("KEYBEARER_GRPC_LISTEN", format!("localhost:{port}"));
    let _server = Process::of(command);
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].into_iter().filter(|ip| has(*ip)) {
        std::net::TcpStream::connect((ip, port)).unwrap_or_else(|error| panic!("{ip}: {error}"));
    }
}

/// The link that a first start prints, and the lines around it.
async fn link(words: &[&str]) -> (Home, Process, String, String) {
    let home = Home::new();
    let server = Process::of(home.command(&[&["serve"], words].concat()));
    crate::harness::eventually(std::time::Duration::from_secs(20), "there is a link", async || {
        // Log lines, which are JSON, can come at any time.
        let log = server.log();
        let printed: String = log.split_inclusive('\n').filter(|line| !line.starts_with('{')).collect();
        printed.contains("/setup?token=") && printed.ends_with("\n\n")
    })
    .await;
    let log = server.log();
    let link = log.split_whitespace().find(|word| word.contains("/setup?token=")).unwrap().to_owned();
    (home, server, link, log)
}

#[tokio::test]
async fn the_setup_link_can_be_opened_for_every_listen_address() {
    for listen in ["0.0.0.0:0", ":0", "localhost:0", "127.0.0.1:0"] {
        let (_home, server, link, log) = link(&["--listen", listen]).await;
        let port = server.address.port();
        let host = if listen.starts_with("localhost") { "localhost" } else { "127.0.0.1" };
        let path = link.strip_prefix(&format!("http://{host}:{port}")).unwrap_or_else(|| panic!("{link}"));
        let client = Client::anon(SocketAddr::from(([127, 0, 0, 1], port)));
        assert_eq!(client.get(path).await.status, 200, "{listen}");
        let metadata = client.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(metadata["issuer"], format!("http://{host}:{port}"), "{listen}");
        let is_guess = ["0.0.0.0:0", ":0"].contains(&listen);
        assert_eq!(log.contains("set --public-url"), is_guess, "{log}");
    }
    let (_home, _server, link, log) =
        link(&["--listen", "0.0.0.0:0", "--public-url", "https://Keys.example.com:443/"]).await;
    assert!(link.starts_with("https://keys.example.com/setup?token="), "{link}");
    assert!(!log.contains("set --public-url"), "{log}");
}

#[test]
fn any_text_in_any_variable_is_accepted_or_named_in_the_error() {
    let home = Home::new();
    let names = variables(&home);
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    let cases = (prop::sample::select(names), "[^\0]{0,30}");
    proptest!(config, |((name, text) in cases)| {
        // It would be the server that starts; a flag that is wrong keeps it from that.
        let mut command = home.keybearer(&["serve", "--workers", "0"]);
        let output = command.env(&name, &text).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        prop_assert_eq!(output.status.code(), Some(2), "{}", &said);
        let is_named = said.contains(name.as_str()) || said.contains("--workers 0:");
        prop_assert!(is_named && !said.contains("panicked"), "{name}={text:?}: {said}");
    });
}

#[test]
fn any_settings_file_is_accepted_or_named_in_the_error() {
    let home = Home::new();
    let names = variables(&home).into_iter().map(|name| name["KEYBEARER_".len()..].to_lowercase()).collect::<Vec<_>>();
    let line =
        (prop::sample::select(names), prop_oneof!["\"[^\"\\\\]{0,20}\"", "[0-9]{1,20}", "\\[.{0,10}\\]", ".{0,20}"]);
    let line =
        prop_oneof![line.prop_map(|(name, value)| format!("{name} = {value}")), ".{0,40}".prop_map(String::from)];
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(lines in prop::collection::vec(line, 0..3), mark in prop::sample::select(vec!["", "\u{feff}"]))| {
        std::fs::write(home.path("keybearer.toml"), format!("{mark}{}", lines.join("\n"))).unwrap();
        let output = home.keybearer(&["serve", "--workers", "0"]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        prop_assert_eq!(output.status.code(), Some(2), "{}", &said);
        prop_assert!(said.contains("keybearer.toml") || said.contains("--workers 0:"), "{lines:?}: {said}");
    });
}

#[test]
fn a_settings_file_in_another_encoding_is_named_in_the_error() {
    let home = Home::new();
    let utf16: Vec<u8> = "workers = 2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, encoding) in [
        ([b"\xff\xfe", utf16.as_slice()].concat(), "UTF-16"),
        (utf16, "UTF-16"),
        ("workers".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(), "UTF-32"),
        (b"public-url = \"https://k\xe9ys.example.com\"".to_vec(), "Latin-1"),
    ] {
        std::fs::write(home.path("keybearer.toml"), bytes).unwrap();
        let said = refused(&home, &["users", "list"], &[]);
        assert!(
            said.contains("keybearer.toml") && said.contains(encoding) && said.contains("Save it as UTF-8"),
            "{said}"
        );
    }
    std::fs::write(home.path("keybearer.toml"), "\u{feff}workers = 0\r\n").unwrap();
    assert!(refused(&home, &["serve"], &[]).contains("workers = \"0\" in keybearer.toml"));
}
