//! The field that finds everything. A whole key is found by its digest, and is repeated nowhere.

use std::fs;

use keybearer::testing::{Digest, KeyPrefix, PlainKey, Role};
use serde_json::json;

use crate::harness::{ADMIN, Answer, Client, Home, MEMBER, Server};

/// A key that no server has created.
fn strange_key() -> String {
    PlainKey::generate(&KeyPrefix::parse("kb").unwrap(), &[7; 32]).expose().to_owned()
}

async fn find(client: &Client, text: &str) -> Answer {
    client.form("/find", &[("q", text)]).await
}

/// Neither the page nor its headers nor the browser's cookies have the key.
fn repeats_nothing(client: &Client, answer: &Answer, key: &str) {
    let cookies = format!("{:?}", client.cookies.lock().unwrap());
    for (place, text) in [("page", &answer.body), ("headers", &format!("{:?}", answer.headers)), ("cookies", &cookies)]
    {
        assert!(!text.contains(&key[3..40]), "{place}: {answer:?}");
    }
}

#[tokio::test]
async fn a_whole_key_leads_to_its_page() {
    let server = Server::start();
    let (member, admin) = (server.member().await, server.admin().await);
    let (id, key) = member.make_key("billing sandbox").await;
    for client in [&member, &admin] {
        for text in
            [key.clone(), format!("  Authorization: Bearer {key}\r\n"), format!("?k={}", key.replace('_', "%5F"))]
        {
            let found = find(client, &text).await;
            assert_eq!((found.status, found.location()), (303, &*format!("/keys/{id}")), "{found:?}");
            repeats_nothing(client, &found, &key);
            let page = client.get(&format!("/keys/{id}")).await;
            assert!(page.body.contains("Found by the key itself: “<bdi>billing sandbox</bdi>”."), "{page:?}");
            repeats_nothing(client, &page, &key);
        }
    }
}

#[tokio::test]
async fn a_key_that_is_gone_or_strange_or_of_somebody_else_is_answered_without_repeating_it() {
    let server = Server::start();
    let (member, admin) = (server.member().await, server.admin().await);
    let (id, revoked) = member.make_key("short-lived").await;
    member.form(&format!("/keys/{id}/revoke"), &[]).await;
    let (foreign_id, foreign) = admin.make_key("secret project").await;
    let strange = strange_key();
    for (text, answer) in [
        (&revoked, "A key in the text was revoked on"),
        (&strange, "A key in the text has our format, but was never created here."),
        (&foreign, "a key of this server that is not one of yours"),
    ] {
        let page = find(&member, text).await;
        assert!(page.status == 200 && page.body.contains(answer), "{page:?}");
        repeats_nothing(&member, &page, text);
        for detail in [&foreign_id, "secret project", ADMIN] {
            assert!(!page.body.contains(detail), "{detail}: {page:?}");
        }
    }
    let all = format!("{revoked} {strange} {foreign}");
    let page = find(&admin, &all).await;
    for part in ["was revoked on", "was never created here", "secret project", "href=\"/admin/leaks\""] {
        assert!(page.body.contains(part), "{part}: {page:?}");
    }
    let typo = format!("{}X", &foreign[..foreign.len() - 1]);
    let page = find(&admin, &typo).await;
    assert!(page.body.contains("This looks like a key"), "{page:?}");
    repeats_nothing(&admin, &page, &typo);
}

#[tokio::test]
async fn a_key_in_the_address_of_a_list_leaves_it_and_counts_as_leaked() {
    let server = Server::start();
    let admin = server.admin().await;
    let (id, key) = admin.make_key("pasted").await;
    let strange = strange_key();
    for path in ["/admin/keys?q=", "/keys?q=", "/users?q=", "/events?q=", "/keys?after=", "/account?x="] {
        for (text, answer) in [(&key, format!("href=\"/keys/{id}\"")), (&strange, "never created here".to_owned())] {
            for text in [text.clone(), text.replace('_', "%5F")] {
                let list = admin.get(&format!("{path}{text}")).await;
                assert_eq!((list.status, list.location()), (303, "/find"), "{path}: {list:?}");
                repeats_nothing(&admin, &list, &key);
                let page = admin.get("/find").await;
                assert!(page.body.contains("The address of the last page contained a key"), "{page:?}");
                assert!(page.body.contains(&answer), "{page:?}");
                repeats_nothing(&admin, &page, &key);
                let again = admin.get("/find").await;
                assert!(!again.body.contains("contained a key"), "once: {again:?}");
            }
        }
    }
    for path in [format!("/admin/keys?q={key}"), format!("/keys/{key}")] {
        let visit = server.anon().get(&path).await;
        assert_eq!(visit.status, 303);
        repeats_nothing(&admin, &visit, &key);
    }
}

#[tokio::test]
async fn an_imported_key_is_found_by_its_text_live_or_revoked() {
    let home = Home::new();
    home.add_admin();
    let (text, word) = ("a secret of another system", "old-system-7f3a");
    let line = |text: &str| {
        let digest = hex::encode(Digest::of(text.as_bytes()).as_bytes());
        json!({ "sha256": digest, "owner": ADMIN, "name": "from elsewhere" }).to_string() + "\n"
    };
    fs::write(home.path("keys.jsonl"), line(text) + &line(word)).unwrap();
    home.run(&["keys", "import", home.path("keys.jsonl").to_str().unwrap()]);
    let server = Server::on(&home, |_| {});
    let admin = server.admin().await;
    let found = find(&admin, text).await;
    assert!(found.status == 303 && found.location().starts_with("/keys/"), "{found:?}");
    let list = admin.get("/admin/keys?q=a+secret+of+another+system").await;
    // Only a text without white space is a word in another text, so this one is an ordinary search there.
    assert_eq!(list.status, 200);
    let list = admin.get(&format!("/admin/keys?q={word}")).await;
    assert_eq!((list.status, list.location()), (303, "/find"));
    let page = admin.get("/find").await;
    assert!(page.body.contains("contained a key") && !page.body.contains(word), "{page:?}");
    let found_word = find(&admin, &format!("password={word};")).await;
    assert!(found_word.status == 303 && found_word.location() != found.location(), "{found_word:?}");
    admin.form(&format!("{}/revoke", found.location()), &[]).await;
    let page = find(&admin, text).await;
    assert!(page.body.contains("was revoked on"), "{page:?}");
}

#[tokio::test]
async fn ids_hints_names_people_and_pages_are_found() {
    let server = Server::start();
    let (member, admin) = (server.member().await, server.admin().await);
    let (id, key) = member.make_key("invoices production").await;
    let (_, other) = admin.make_key("invoices staging").await;
    let person = server.user(MEMBER, Role::Member).await.id.to_string();
    let hint = |key: &str, dots: &str| format!("kb_{dots}{}", &key[key.len() - 4..]);
    for (text, place) in [
        (id.clone(), format!("/keys/{id}")),
        (id.to_uppercase(), format!("/keys/{id}")),
        (hint(&key, "…"), format!("/keys/{id}")),
        (hint(&key, "..."), format!("/keys/{id}")),
    ] {
        for client in [&member, &admin] {
            let found = find(client, &text).await;
            assert_eq!((found.status, found.location()), (303, &*place), "{text}: {found:?}");
        }
    }
    let found = find(&admin, &person).await;
    assert_eq!((found.status, found.location()), (303, &*format!("/users/{person}")));
    assert_eq!(find(&member, &person).await.status, 200);
    assert_eq!(find(&member, &hint(&other, "…")).await.status, 200);

    let (own, all) = (find(&member, "invoices").await, find(&admin, "invoices").await);
    assert!(own.body.contains("invoices production") && !own.body.contains("invoices staging"), "{own:?}");
    assert!(all.body.contains("invoices production") && all.body.contains("invoices staging"), "{all:?}");
    assert!(all.body.contains("href=\"/events?q=invoices\"") && !own.body.contains("/events"), "{own:?}");
    let people = find(&admin, "grace").await;
    assert!(people.body.contains(&format!("href=\"/users/{person}\"")), "{people:?}");
    assert!(!find(&member, ADMIN).await.body.contains("/users/"));
    assert!(find(&admin, "audit").await.body.contains("<a href=\"/events\">Audit log</a>"));
    assert!(!find(&member, "leaks").await.body.contains("/admin/leaks"));
    for text in ["", "   ", "<i>nothing</i> like it"] {
        let page = find(&member, text).await;
        assert!(page.status == 200 && !page.body.contains("<i>"), "{page:?}");
    }
}
