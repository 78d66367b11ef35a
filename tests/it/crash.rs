//! Acknowledged changes hold after `kill -9`, also with commands running.

use std::time::Duration;

use crate::harness::{ADMIN, Client, Home, Process, rounds};

#[tokio::test]
async fn acknowledged_changes_survive_a_kill() {
    let home = Home::new();
    home.add_admin();
    let mut server = Process::serve(&home);
    for round in 0..rounds("CRASHES", 10) {
        let admin = Client::signed_in(server.address, ADMIN).await;
        let (id, kept) = admin.make_key("kept").await;
        server.kill();
        server = Process::serve(&home);
        assert_eq!(server.tries(&kept).await, 200, "round {round}: a key that was shown is there");
        let again = server.anon();
        *again.cookies.lock().unwrap() = admin.cookies.lock().unwrap().clone();
        let (_, own) = again.make_key("own").await;
        assert_eq!(again.form(&format!("/keys/{id}/revoke"), &[]).await.status, 303);
        assert_eq!(server.bearer(&own).call("DELETE", "/api/v1/keys/current").await.status, 204);
        server.kill();
        server = Process::serve(&home);
        assert_eq!(
            (server.tries(&kept).await, server.tries(&own).await),
            (401, 401),
            "round {round}: revoked is revoked"
        );
    }
    home.run(&["check"]);
    home.run(&["events", "verify"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_during_writes_loses_no_acknowledged_change() {
    let home = Home::new();
    home.add_admin();
    for round in 0..rounds("CRASHES", 10).div_ceil(2) {
        let server = Process::serve(&home);
        let (id, made) = home.create_key(ADMIN, "first");
        // Before the clock runs: a kill in the middle of a sign-in says nothing about writes.
        let mut admins = Vec::new();
        for _ in 0..4 {
            let admin = Client::signed_in(server.address, ADMIN).await;
            let token = admin.csrf_token().await;
            admins.push((admin, token));
        }
        let address = server.address;
        let writers = admins.into_iter().map(|(admin, token)| {
            tokio::spawn(async move {
                let (mut live, mut dead) = (Vec::new(), Vec::new());
                for number in 0.. {
                    let name = format!("key {number}");
                    let form = [("csrf_token", token.as_str()), ("name", &name), ("expires", "never")];
                    let Ok(shown) = admin.request("POST", "/keys").form(&form).send().await else { break };
                    let Ok(shown) = shown.text().await else { break };
                    let Some(key) = shown.split("<output id=\"new-key\"").nth(1) else { break };
                    live.push(key.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned());
                    if number % 2 == 1 {
                        let last = live.pop().unwrap();
                        let revoked =
                            Client::bearer(address, &last).request("DELETE", "/api/v1/keys/current").send().await;
                        if revoked.is_ok_and(|answer| answer.status() == 204) {
                            dead.push(last);
                        }
                    }
                }
                (live, dead)
            })
        });
        let writers: Vec<_> = writers.collect();
        tokio::time::sleep(Duration::from_millis(50 + 37 * (round as u64 % 20))).await;
        server.kill();
        let server = Process::serve(&home);
        assert_eq!(server.tries(&made).await, 200);
        for writer in writers {
            let (live, dead) = writer.await.unwrap();
            for key in live {
                assert_eq!(server.tries(&key).await, 200, "round {round}");
            }
            for key in dead {
                assert_eq!(server.tries(&key).await, 401, "round {round}");
            }
        }
        home.run(&["keys", "revoke", &id]);
    }
    home.run(&["check"]);
}
