//! How much memory sign-ins use, and that they free it. This runs the real program, because only a process has
//! memory of its own to measure.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{ADMIN, Client, Home, PASSWORD, Process, eventually};

const MIB: u64 = 1 << 20;
/// Four hashes in progress, plus connections and requests.
const FLOOD: u64 = 96 * MIB;

/// `VmRSS` or `VmHWM`, in bytes.
fn memory(server: &Process, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Each of `count` clients with its own address attempts one sign-in, all at the same time.
async fn flood(clients: &[Client]) -> Vec<u16> {
    let tries = clients.iter().enumerate().map(|(number, client)| async move {
        let body = json!({ "email": format!("user{number}@example.com"), "password": "x".repeat(900) }).to_string();
        let request = client.request("POST", "/api/v1/tokens").header("content-type", "application/json");
        let from = format!("198.51.{}.{}", number / 250, number % 250);
        client.send(request.header("x-forwarded-for", from).body(body)).await.status
    });
    join_all(tries).await
}

#[tokio::test]
async fn five_hundred_concurrent_sign_ins_use_bounded_memory_and_free_it() {
    let home = Home::new();
    home.add_admin();
    import_keys(&home, 10_000);
    let words = ["serve", "--listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1"];
    let server = Process::of(home.command(&words));
    let clients: Vec<Client> = (0..500).map(|_| server.anon()).collect();
    // Connections are open and have been used once, so that only the sign-ins make a difference.
    join_all(clients.iter().map(|client| client.get("/livez"))).await;
    let idle = memory(&server, "VmRSS");
    let statuses = flood(&clients).await;
    assert!(statuses.iter().all(|status| [401, 503].contains(status)), "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status == 401).count() >= 64, "{}", server.log());
    let most = memory(&server, "VmHWM");
    println!("idle {} MiB, most {} MiB, then {} MiB", idle / MIB, most / MIB, memory(&server, "VmRSS") / MIB);
    assert!(most <= idle + FLOOD, "{} MiB above {} MiB", (most - idle) / MIB, idle / MIB);
    let given_back = async || memory(&server, "VmRSS") <= idle + 16 * MIB;
    eventually(Duration::from_secs(10), "the memory is given back", given_back).await;
    assert_eq!(server.anon().sign_in(ADMIN, PASSWORD).await.status, 303, "{}", server.log());
}

#[tokio::test]
async fn consecutive_sign_ins_use_the_memory_of_one() {
    let home = Home::new();
    home.add_admin();
    let server = Process::serve(&home);
    let client = server.anon();
    assert_eq!(client.sign_in(ADMIN, "not the right password").await.status, 422);
    let after_one = memory(&server, "VmRSS");
    for number in 0..20 {
        let body = json!({ "email": format!("user{number}@example.com"), "password": "wrong" }).to_string();
        assert_eq!(client.json("/api/v1/tokens", body).await.status, 401);
    }
    let given_back = async || memory(&server, "VmRSS") <= after_one + 8 * MIB;
    eventually(Duration::from_secs(10), "the memory is given back", given_back).await;
    let most = memory(&server, "VmHWM");
    assert!(most <= after_one + 40 * MIB, "{} MiB above {} MiB", (most - after_one) / MIB, after_one / MIB);
}

fn import_keys(home: &Home, count: u32) {
    let line = |number: u32| {
        let digest = format!("{number:064x}");
        json!({ "sha256": digest, "owner": ADMIN, "name": "imported", "scopes": [] }).to_string() + "\n"
    };
    std::fs::write(home.path("keys.jsonl"), (0..count).map(line).collect::<String>()).unwrap();
    home.run(&["keys", "import", "keys.jsonl"]);
}
