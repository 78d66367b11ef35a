//! Apache, which checks keys by introspection: with mod_oauth2, and with mod_auth_openidc over TLS.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::client;
use super::gateway::{Gateway, Stage};
use super::home::{Home, Key, OWNER};
use super::tls::TestCa;

const IDENTITY: [&str; 5] = ["X-Auth-Key-Id", "X-Auth-Owner", "X-Auth-Owner-Id", "X-Auth-Scopes", "X-Auth-Identity"];

pub const OAUTH2: Gateway = Gateway {
    files: &["apache-oauth2.conf"],
    around: &[("site.conf", "LoadModule oauth2_module ${modules}/mod_oauth2.so\nInclude apache-oauth2.conf\n")],
    program: "apache2",
    arguments: &["-X", "-d", ".", "-f", "around.conf"],
    serve: &[],
    down: 401,
    silent: 401,
    instead: &[],
    made: &[],
    cookies: 0,
    leaves_own: false,
};

pub const OPENIDC: Gateway = Gateway {
    files: &["apache-openidc.conf"],
    around: &[(
        "site.conf",
        "LoadModule auth_openidc_module ${modules}/mod_auth_openidc.so\nInclude apache-openidc.conf\n",
    )],
    serve: &["--tls-cert", "server.pem", "--tls-key", "server.key"],
    ..OAUTH2
};

/// The configuration that Debian's packages have around a site, and the verifier's key.
pub fn around(home: &Home) {
    let modules = [
        "mpm_event",
        "authn_core",
        "authz_core",
        "authz_user",
        "headers",
        "setenvif",
        "rewrite",
        "proxy",
        "proxy_http",
    ];
    let modules: String = modules.map(|name| format!("LoadModule {name}_module ${{modules}}/mod_{name}.so\n")).concat();
    let root = home.path().display();
    home.write(
        "around.conf",
        &format!(
            "Define modules /usr/lib/apache2/modules\nServerRoot {root}\nDefaultRuntimeDir {root}\nPidFile apache.pid\n\
             ErrorLog /dev/stderr\nLogLevel error\nServerName gateway.test\nKeepAlive Off\n{modules}User nobody\nGroup nogroup\n\
             Include site.conf\n"
        ),
    );
    let verifier = home.key(&["--scope", "keybearer:verify"]);
    home.write(
        "keybearer-verifier.conf",
        &format!("Define keybearer_id {}\nDefine keybearer_key {}\n", verifier.id, verifier.text),
    );
    // Started by root, Apache serves as somebody else.
    std::fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
}

pub fn over_tls(home: &Home) {
    around(home);
    let ca = TestCa::new(home.path());
    ca.certify(home.path(), "server");
    home.write("keybearer-ca.pem", &std::fs::read_to_string(ca.certificate()).unwrap());
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn apache_with_mod_oauth2_asks_before_each_request() {
    keeps_its_promises(&mut Stage::prepared(&OAUTH2, around));
}

#[test]
#[ignore = "needs the real gateways: tests/run runs it"]
fn apache_with_mod_auth_openidc_asks_before_each_request_over_tls() {
    keeps_its_promises(&mut Stage::prepared(&OPENIDC, over_tls));
}

fn keeps_its_promises(stage: &mut Stage) {
    let reader = stage.home.key(&["--scope", "orders:read"]);
    let all = stage.home.key(&["--scope", "orders:*"]);
    let narrow = stage.home.key(&["--scope", "orders:read2", "--scope", "users:read"]);
    a_good_key_passes_with_its_identity(stage, &reader);
    for path in ["/", "/orders/1"] {
        for line in ["Accept: */*", "Authorization: Bearer kb_wrong", "Authorization: Basic YTpi", "X-API-Key: x"] {
            let answer = stage.refused(path, &[line], 401);
            assert!(answer.header("WWW-Authenticate").starts_with("Bearer"), "{}", answer.head);
        }
    }
    stage.passed("/orders/1", &[&all.bearer()]);
    stage.passed("/else", &[&narrow.bearer()]);
    for path in ["/orders", "/orders/1", "//orders/1", "/x/../orders/1", "/%6frders/1", "/orders/1?scope=orders:read"] {
        let answer = stage.refused(path, &[&narrow.bearer()], 403);
        assert!(answer.header("WWW-Authenticate").contains("error=\"insufficient_scope\""), "{path}: {}", answer.head);
    }
    no_client_makes_its_own_identity(stage, &reader);
    no_credential_elsewhere_counts(stage, &reader);
    a_revoked_key_is_refused_at_the_next_request(stage);
    stage.stop_keybearer();
    for lines in [vec![reader.bearer()], vec![]] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let answer = stage.get("/else", &lines);
        assert!([401, 500, 502, 503].contains(&answer.status), "{}", answer.head);
        assert_eq!(stage.upstream.received(), Vec::<String>::new());
    }
}

fn a_good_key_passes_with_its_identity(stage: &Stage, reader: &Key) {
    let received = stage.passed("/orders/1?a=1&b=2", &[&reader.bearer()]);
    assert!(received.starts_with("GET /orders/1?a=1&b=2 "), "{received}");
    assert_eq!(client::fields(&received, "X-Auth-Key-Id"), [&*reader.id], "{received}");
    assert_eq!(client::fields(&received, "X-Auth-Owner"), [OWNER], "{received}");
    assert_eq!(client::fields(&received, "X-Auth-Scopes"), ["orders:read"], "{received}");
    let owner = client::fields(&received, "X-Auth-Owner-Id");
    assert!(owner.len() == 1 && owner[0].len() == 36 && owner[0] != reader.id, "{received}");
    assert!(!received.contains(&reader.text), "the API needs no key:\n{received}");
}

fn no_client_makes_its_own_identity(stage: &Stage, reader: &Key) {
    let bearer = reader.bearer();
    for name in IDENTITY {
        for name in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
            let line = format!("{name}: forged");
            let (list, blank) = (format!("{name}: a, forged"), format!("{name}:"));
            for lines in [
                vec![&*line, &bearer, &line],
                vec![&list, &blank, &bearer],
                vec![&format!("Connection: {name}"), &line, &bearer],
            ] {
                let received = stage.passed("/orders/1", &lines);
                assert!(!received.contains("forged"), "{lines:?}:\n{received}");
                assert_eq!(client::fields(&received, "X-Auth-Owner"), [OWNER], "{received}");
            }
        }
        for name in [name.replace('-', "_"), name.replacen('-', "_", 1), name.to_lowercase().replace("auth-", "auth_")]
        {
            stage.refused("/orders/1", &[&format!("{name}: forged"), &bearer], 400);
        }
    }
}

fn no_credential_elsewhere_counts(stage: &Stage, reader: &Key) {
    stage.refused(&format!("/orders/1?access_token={}", reader.text), &[], 401);
    stage.refused("/orders/1", &[&format!("Cookie: PA.global={}", reader.text)], 401);
    for line in ["X-Original-URI: /else", "X-Forwarded-Uri: /else", "X-HTTP-Method-Override: OPTIONS"] {
        stage.refused("/orders/1", &[line], 401);
    }
    let form = "Content-Type: application/x-www-form-urlencoded";
    for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PROPFIND"] {
        let body = format!("access_token={}", reader.text);
        let answer = client::request(stage.address, method, "/orders/1", &[form], &body);
        assert!([401, 405].contains(&answer.status), "{method}: {}", answer.head);
        assert_eq!(stage.upstream.received(), Vec::<String>::new(), "{method}");
    }
}

fn a_revoked_key_is_refused_at_the_next_request(stage: &Stage) {
    for _ in 0..5 {
        let key = stage.home.key(&["--scope", "orders:read"]);
        stage.passed("/orders/1", &[&key.bearer()]);
        stage.home.revoke(&key);
        stage.refused("/orders/1", &[&key.bearer()], 401);
    }
}
