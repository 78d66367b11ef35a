//! What the lists and a key's own page say about its state: one thing at most, the most urgent.

use std::time::Duration;

use keybearer::testing::Role;

use crate::harness::{MEMBER, Server};

const DAY: Duration = Duration::from_secs(86_400);

/// The texts of the banners on a key's page, as an admin sees it.
async fn banners(server: &Server, id: &str) -> Vec<String> {
    let page = server.admin().await.get(&format!("/keys/{id}")).await;
    assert_eq!(page.status, 200, "{page:?}");
    let found = page.body.split("class=\"banner").skip(1);
    found.map(|rest| rest.split("<strong>").nth(1).unwrap().split("</strong>").next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_keys_page_says_what_needs_attention_most_and_nothing_else() {
    let server = Server::start();
    let member = server.member().await;
    let (short, _) = member.make_key_with(&[("name", "short"), ("expires", "90d")]).await;
    let (long, key) = member.make_key_with(&[("name", "long"), ("expires", "never")]).await;
    let says = async |id: &str, expected: &[&str]| assert_eq!(banners(&server, id).await, expected);
    says(&short, &[]).await;
    says(&long, &[]).await;
    server.clock.advance(84 * DAY);
    says(&short, &["Expires in 6 days."]).await;
    server.clock.advance(6 * DAY);
    says(&short, &["This key has expired."]).await;
    says(&long, &["Nobody has used this key for 90 days."]).await;
    assert_eq!(server.tries(&key).await, 200);
    says(&long, &[]).await;

    let admin = server.admin().await;
    assert_eq!(admin.form(&format!("/keys/{long}/disable"), &[]).await.status, 303);
    says(&long, &["This key is disabled."]).await;
    let page = admin.get(&format!("/keys/{long}")).await.body;
    assert_eq!(page.matches(&format!("action=\"/keys/{long}/enable\"")).count(), 1, "{page}");
    let owner = server.user(MEMBER, Role::Member).await.id;
    assert_eq!(admin.form(&format!("/users/{owner}/deactivate"), &[]).await.status, 303);
    for id in [&short, &long] {
        assert_eq!(banners(&server, id).await.len(), 1, "however many reasons there are");
    }
    let page = admin.get(&format!("/keys/{long}")).await.body;
    assert_eq!(page.matches(&format!("action=\"/keys/{long}/enable\"")).count(), 1, "it can still be enabled: {page}");
}

#[tokio::test]
async fn a_row_has_a_label_only_for_what_is_unusual_and_links_to_what_can_be_done() {
    let server = Server::start();
    let member = server.member().await;
    let (id, _) = member.make_key_with(&[("name", "mine"), ("expires", "7d"), ("scopes", "a b c")]).await;
    server.clock.advance(Duration::from_secs(3600));
    let row = async |client: &crate::harness::Client, path: &str| {
        let body = client.get(path).await.body;
        body.split("<tr").nth(2).unwrap().split("</tr>").next().unwrap().to_owned()
    };
    let soon = row(&member, "/keys").await;
    assert!(soon.contains("Expires soon") && soon.contains("+2") && !soon.contains(">Active<"), "{soon}");
    for part in ["rotate", "disable", "revoke"] {
        assert!(soon.contains(&format!("href=\"/keys/{id}#{part}\"")), "{part}: {soon}");
        let page = member.get(&format!("/keys/{id}")).await.body;
        assert!(page.contains(&format!("id=\"{part}\"")), "{part}: {page}");
    }
    member.form(&format!("/keys/{id}/disable"), &[]).await;
    let disabled = row(&member, "/keys").await;
    assert!(disabled.contains("Disabled</span>") && disabled.contains(" class=\"off\""), "{disabled}");
    assert!(disabled.contains("#enable\"") && !disabled.contains("#disable\""), "{disabled}");
    let enable = member.get(&format!("/keys/{id}")).await.body;
    assert!(enable.contains("id=\"enable\""), "{enable}");
    let admin = server.admin().await;
    let owner = server.user(MEMBER, Role::Member).await.id;
    admin.form(&format!("/users/{owner}/deactivate"), &[]).await;
    let off = row(&admin, "/admin/keys").await;
    assert!(off.contains("Owner off") || off.contains("Disabled</span>"), "{off}");
    assert!(off.contains(&format!("title=\"{MEMBER}\"")), "the list shows the part before the @ only: {off}");
}

#[tokio::test]
async fn pages_write_times_in_utc_and_the_audit_log_to_the_second() {
    let server = Server::start();
    let admin = server.admin().await;
    server.clock.advance(Duration::from_secs(65));
    let (id, _) = admin.make_key("mine").await;
    let page = admin.get(&format!("/keys/{id}")).await.body;
    assert!(
        page.contains("<time datetime=\"2026-11-23T08:01:05Z\" data-form=\"both\">23 Nov 2026, 08:01 UTC</time>"),
        "{page}"
    );
    let log = admin.get("/events").await.body;
    assert!(log.contains(">08:01:05 UTC</time>"), "{log}");
}
