//! Leaked keys: the page on which an admin revokes the keys of a text, and the notices for their owners.

use std::fs;

use data_encoding::BASE64;
use keybearer::testing::{Digest, KeyPrefix, PlainKey, Role};
use serde_json::json;

use crate::harness::{ADMIN, Answer, Client, Home, MEMBER, PASSWORD, Server};

fn key(number: u32) -> String {
    let mut secret = [0; 32];
    secret[..4].copy_from_slice(&number.to_be_bytes());
    PlainKey::generate(&KeyPrefix::parse("kb").unwrap(), &secret).expose().to_owned()
}

/// The ids of the ticked keys.
fn ticked(page: &Answer) -> Vec<String> {
    let boxes = page.body.split("<input type=\"checkbox\" name=\"key\" value=\"").skip(1);
    boxes.filter(|rest| rest[36..].starts_with("\" checked")).map(|rest| rest[..36].to_owned()).collect()
}

async fn revoke(admin: &Client, ids: &[String]) -> Answer {
    let fields: Vec<_> = ids.iter().map(|id| ("key", id.as_str())).collect();
    admin.form("/admin/leaks/revoke", &fields).await
}

#[tokio::test]
async fn an_admin_revokes_all_keys_of_a_text_and_their_owners_are_told() {
    let server = Server::start();
    let (admin, member) = (server.admin().await, server.member().await);
    let (first, second) = (member.make_key("first").await, member.make_key("second").await);
    let (own, gone) = (admin.make_key("own").await, member.make_key("gone").await);
    member.form(&format!("/keys/{}/revoke", gone.0), &[]).await;
    let text = format!(
        "export KEY={}\nAuthorization: Basic {}\n{{\"key\":\"{}\"}} {} {} {}",
        first.1,
        BASE64.encode(format!("client:{}", second.1).as_bytes()),
        own.1,
        own.1,
        gone.1,
        key(1)
    );
    let page = admin.form("/admin/leaks", &[("text", &text)]).await;
    assert_eq!(page.status, 200);
    for part in ["3 keys in this text exist", "One key in it was already revoked.", "One has our format, but was never"]
    {
        assert!(page.body.contains(part), "{part}: {page:?}");
    }
    for (_, key) in [&first, &second, &own, &gone] {
        assert!(!page.body.contains(&key[3..40]), "{page:?}");
    }
    let mut ids = ticked(&page);
    assert_eq!(ids.len(), 3);
    ids.retain(|id| *id != own.0);
    let done = revoke(&admin, &ids).await;
    assert_eq!((done.status, done.location()), (303, "/admin/leaks"), "{done:?}");
    assert!(admin.get("/admin/leaks").await.body.contains("Revoked 2 keys."));
    assert_eq!(
        [server.tries(&first.1).await, server.tries(&second.1).await, server.tries(&own.1).await],
        [401, 401, 200]
    );
    let events = admin.get("/events?q=key.revoked").await;
    assert!(events.body.matches("key.revoked</code>").count() >= 3 && events.body.contains(ADMIN), "{events:?}");
    let again = revoke(&admin, &ids).await;
    assert_eq!(again.status, 303);
    assert!(admin.get("/admin/leaks").await.body.contains("Revoked 0 keys. 2 others were revoked already."));

    let told = member.get("/keys").await;
    for part in ["Keys of yours were revoked because they were found in a leak", "first", "second"] {
        assert!(told.body.contains(part), "{part}: {told:?}");
    }
    assert!(!admin.get("/keys").await.body.contains("found in a leak"));
    let until = told.input("until");
    assert_eq!(admin.form("/keys/leak-notices/dismiss", &[("until", &until)]).await.status, 303);
    assert!(member.get("/keys").await.body.contains("found in a leak"), "only its owner dismisses a notice");
    assert_eq!(member.form("/keys/leak-notices/dismiss", &[("until", &until)]).await.status, 303);
    assert!(!member.get("/keys").await.body.contains("found in a leak"));
}

#[tokio::test]
async fn a_thousand_keys_of_one_text_are_revoked_together() {
    const MANY: u32 = 1_100;
    let home = Home::new();
    home.add_admin();
    home.add_member();
    let line = |number: u32| {
        let digest = hex::encode(Digest::of(key(number).as_bytes()).as_bytes());
        json!({ "sha256": digest, "owner": MEMBER, "name": format!("key {number}") }).to_string() + "\n"
    };
    fs::write(home.path("keys.jsonl"), (0..MANY).map(line).collect::<String>()).unwrap();
    home.run(&["keys", "import", home.path("keys.jsonl").to_str().unwrap()]);
    let server = Server::on(&home, |_| {});
    let admin = server.admin().await;
    let text: String = (0..MANY).map(|number| key(number) + "\n").collect();
    for (expected, rest) in [(1_000, 100), (100, 0)] {
        let page = admin.form("/admin/leaks", &[("text", &text)]).await;
        let ids = ticked(&page);
        let kept: Vec<String> = (0..MANY).map(key).filter(|key| text.contains(key.as_str())).collect();
        assert_eq!((ids.len(), kept.len()), (expected.min(ids.len()), MANY as usize));
        if rest > 0 {
            assert!(page.body.contains("100 more keys"), "{}", page.body.len());
            assert_eq!(revoke(&admin, &ids).await.status, 303);
            assert!(admin.get("/admin/leaks").await.body.contains("Revoked 1000 keys."));
        }
    }
    let tries = [server.tries(&key(0)).await, server.tries(&key(999)).await, server.tries(&key(1_099)).await];
    assert_eq!(tries, [401, 401, 200]);
    let told = Client::signed_in(server.address, MEMBER).await.get("/keys").await;
    assert!(told.body.contains("and 990 more"), "{told:?}");
    home.run(&["users", "remove", MEMBER]);
    assert_eq!(server.tries(&key(1_099)).await, 401);
}

#[tokio::test]
async fn texts_that_cannot_be_searched_are_refused_with_the_reason() {
    let server = Server::start();
    let (admin, member) = (server.admin().await, server.member().await);
    let empty = admin.form("/admin/leaks", &[("text", " \n")]).await;
    assert!(empty.status == 422 && empty.body.contains("Paste the text"), "{empty:?}");
    let large = "x ".repeat(600_000);
    let refused = admin.form("/admin/leaks", &[("text", &large)]).await;
    assert!(refused.status == 422 && refused.body.contains("larger than 1 MiB"), "{}", refused.status);
    assert!(!refused.body.contains("x x x x"));
    let huge = admin.form("/admin/leaks", &[("text", &"/".repeat(1_200_000))]).await;
    assert!(huge.status == 413 && huge.body.contains("in parts"), "{huge:?}");
    let most = admin.form("/admin/leaks", &[("text", &"/".repeat(1 << 20))]).await;
    assert!(most.status == 200 && most.body.contains("No key in this text exists here"), "{}", most.status);
    let none = revoke(&admin, &[]).await;
    assert!(none.status == 422 && none.body.contains("No key was ticked"), "{none:?}");
    for path in ["/admin/leaks", "/admin/leaks/revoke"] {
        assert_eq!(member.form(path, &[("text", &large)]).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn a_notice_goes_away_with_its_owner_and_names_no_key() {
    let home = Home::new();
    home.add_admin();
    let server = Server::on(&home, |_| {});
    let admin = server.admin().await;
    let leaver = server.person("leaver@example.com", Role::Member).await;
    let (_, key) = leaver.make_key("left behind").await;
    home.keybearer(&["keys", "revoke", "--stdin"]).write_stdin(format!("key={key}")).assert().success();
    let told = leaver.get("/keys").await;
    assert!(told.body.contains("A key of yours was revoked") && told.body.contains("left behind"), "{told:?}");
    assert!(!told.body.contains(&key[3..40]));
    home.run(&["users", "remove", "leaver@example.com"]);
    home.keybearer(&["users", "add", "leaver@example.com", "--password-stdin"])
        .write_stdin(PASSWORD)
        .assert()
        .success();
    let again = Client::signed_in(server.address, "leaver@example.com").await;
    assert!(!again.get("/keys").await.body.contains("found in a leak"));
    assert_eq!(admin.get("/keys").await.status, 200);
}
