//! The overview: numbers that lead to what they count, for an admin and for a member.

use std::time::Duration;

use crate::harness::{Client, Server};

const HOUR: Duration = Duration::from_secs(3600);

/// The number beside this label, with its link.
async fn number(client: &Client, label: &str) -> Option<(String, String)> {
    let page = client.get("/overview").await;
    assert_eq!(page.status, 200, "{page:?}");
    let rest = page.body.split(&format!("<dt>{label}</dt><dd><a href=\"")).nth(1)?;
    let (url, rest) = rest.split_once("\">")?;
    Some((rest.split('<').next()?.to_owned(), url.to_owned()))
}

#[tokio::test]
async fn each_number_of_the_overview_leads_to_what_it_counts() {
    let server = Server::start();
    let (admin, member) = (server.admin().await, server.member().await);
    member.make_key_with(&[("name", "ends soon"), ("expires", "7d")]).await;
    let (_, key) = admin.make_key_with(&[("name", "for ever"), ("expires", "never")]).await;
    server.clock.advance(HOUR);
    for (client, label, expected) in [
        (&admin, "Active keys", "2"),
        (&admin, "End within 7 days", "1"),
        (&admin, "Never expire", "1"),
        (&member, "Active keys", "1"),
        (&member, "Never expire", "0"),
    ] {
        let (found, url) = number(client, label).await.unwrap_or_else(|| panic!("{label}"));
        assert_eq!(found, expected, "{label}");
        let list = client.get(&url).await;
        assert_eq!(list.status, 200, "{url}");
        let rows = list.body.split("<tbody>").nth(1).map_or(0, |rows| rows.matches("<tr").count());
        assert_eq!(rows.to_string(), expected, "{label}: {url}");
    }
    assert_ne!(server.anon().sign_in("nobody@example.com", "wrong horse battery staple").await.status, 303);
    assert_eq!(number(&admin, "Refused in 24 hours").await.unwrap().0, "1");
    assert_eq!(number(&member, "Refused in 24 hours").await, None, "the audit log is for admins");
    assert!(admin.get("/overview").await.body.contains("No key has been used yet"));
    assert_eq!(server.tries(&key).await, 200);
    assert!(admin.get("/overview").await.body.contains("What happened last"));
    let of_member = member.get("/overview").await.body;
    assert!(!of_member.contains("for ever") && !of_member.contains("What happened last"), "{of_member}");
}
