//! Lists of keys and people: filters, orders and pages, over the API, on the command line and in the dashboard.

use std::time::Duration;

use keybearer::testing::{KeyName, Role};
use serde_json::Value;

use crate::harness::{ADMIN, Client, MEMBER, Server};

const KEYS: &str = "/api/v1/keys";
const DAY: Duration = Duration::from_secs(86_400);

async fn manager(server: &Server) -> Client {
    server.user(ADMIN, Role::Admin).await;
    server.bearer(&server.key_of(ADMIN, &["keybearer:keys", "keybearer:users"], |_| {}).await.1)
}

async fn page(client: &Client, query: &str) -> Value {
    let answer = client.get(&format!("{KEYS}?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer.json()
}

fn names(page: &Value) -> Vec<String> {
    page["keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect()
}

/// The member's keys that this filter lists.
async fn listed(client: &Client, query: &str) -> Vec<String> {
    names(&page(client, &format!("owner={MEMBER}&{query}")).await)
}

#[tokio::test]
async fn each_filter_lists_exactly_the_keys_that_match() {
    let server = Server::start();
    let member = server.member().await;
    let manager = manager(&server).await;
    let make = async |name: &str, expires: &str, scopes: &str| {
        server.clock.advance(Duration::from_secs(1));
        member.make_key_with(&[("name", name), ("expires", expires), ("scopes", scopes)]).await
    };
    make("week", "7d", "orders:read").await;
    make("month", "30d", "orders:*").await;
    let (off, _) = make("off", "never", "stock:read").await;
    let (_, used) = make("used", "never", "orders:write").await;
    make("idle", "never", "*").await;
    assert_eq!(member.form(&format!("/keys/{off}/disable"), &[]).await.status, 303);
    for (query, expected) in [
        ("", &["idle", "used", "off", "month", "week"][..]),
        ("state=active", &["idle", "used", "month", "week"]),
        ("state=disabled", &["off"]),
        ("enabled=false", &["off"]),
        ("state=expired", &[]),
        ("expiring_within=8d", &["week"]),
        ("expiring_within=31d&sort=expires_at", &["week", "month"]),
        ("never_expires=true", &["idle", "used", "off"]),
        ("never_expires=false", &["month", "week"]),
        ("scope=orders:read", &["idle", "month", "week"]),
        ("scope=orders:*", &["idle", "month"]),
        ("scope=keybearer:keys", &[]),
        ("unused_for=90d", &[]),
        ("prefix=kb", &["idle", "used", "off", "month", "week"]),
        ("prefix=other", &[]),
        ("sort=name", &["idle", "month", "off", "used", "week"]),
        ("sort=-name", &["week", "used", "off", "month", "idle"]),
        ("sort=created_at", &["week", "month", "off", "used", "idle"]),
        ("sort=expires_at&state=active", &["week", "month", "used", "idle"]),
        ("sort=-expires_at&state=active", &["month", "week", "idle", "used"]),
        ("search=e&sort=name", &["idle", "month", "off", "used", "week"]),
        ("search=EK", &["week"]),
    ] {
        assert_eq!(listed(&manager, query).await, expected, "{query}");
    }
    server.clock.advance(91 * DAY);
    assert_eq!(server.tries(&used).await, 200);
    let manager = self::manager(&server).await;
    assert_eq!(listed(&manager, "state=expired&sort=name").await, ["month", "week"]);
    assert_eq!(listed(&manager, "unused_for=90d&sort=name").await, ["idle", "month", "off", "week"], "just used");
    assert_eq!(listed(&manager, "unused_for=90d&state=active").await, ["idle"]);
    assert_eq!(listed(&manager, "sort=-last_used_at&state=active").await.len(), 2);

    let owner = server.user(MEMBER, Role::Member).await.id;
    let admin = server.admin().await;
    assert_eq!(admin.form(&format!("/users/{owner}/deactivate"), &[]).await.status, 303);
    assert!(listed(&manager, "state=active").await.is_empty(), "their owner is deactivated");
}

#[tokio::test]
async fn the_cursors_of_every_order_lead_through_the_whole_list_and_back() {
    let server = Server::start();
    let member = server.member().await;
    let manager = manager(&server).await;
    for number in 0..7 {
        server.clock.advance(Duration::from_secs(1));
        let expires = if number % 2 == 0 { "never" } else { "30d" };
        let name = format!("{}ob {}", if number % 3 == 0 { 'J' } else { 'j' }, number % 4);
        let (_, key) = member.make_key_with(&[("name", &name), ("expires", expires)]).await;
        if number % 3 == 0 {
            server.tries(&key).await;
        }
    }
    for sort in ["created_at", "expires_at", "last_used_at", "name"] {
        for sort in [sort.to_owned(), format!("-{sort}")] {
            let all = format!("owner={MEMBER}&sort={sort}");
            let whole = page(&manager, &all).await;
            assert_eq!(whole["keys"].as_array().unwrap().len(), 7);
            let ids = |page: &Value| -> Vec<Value> {
                page["keys"].as_array().unwrap().iter().map(|key| key["id"].clone()).collect()
            };
            let (mut pages, mut cursor) = (Vec::new(), String::new());
            let last = loop {
                let one = page(&manager, &format!("{all}&limit=3&cursor={cursor}")).await;
                pages.push(ids(&one));
                match one["next_cursor"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => break one,
                }
            };
            assert_eq!(pages.concat(), ids(&whole), "{sort}");
            assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
            let mut before = last["previous_cursor"].as_str().unwrap().to_owned();
            for expected in pages[..2].iter().rev() {
                let one = page(&manager, &format!("{all}&limit=3&cursor={before}")).await;
                assert_eq!(ids(&one), *expected, "{sort}");
                before = one["previous_cursor"].as_str().unwrap_or_default().to_owned();
            }
            assert_eq!(before, "", "the first page has none before it");
            for other in [format!("sort={sort}"), format!("{all}&state=active"), format!("owner={MEMBER}&sort=-id")] {
                let answer = manager.get(&format!("{KEYS}?{other}&cursor={cursor}")).await;
                assert_eq!(answer.status, 422, "{other}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_filter_is_refused_by_name() {
    let server = Server::start();
    let manager = manager(&server).await;
    for (query, field) in [
        ("state=live", "state"),
        ("state=", "state"),
        ("scope=a%20b", "scope"),
        ("expiring_within=soon", "expiring_within"),
        ("expiring_within=999999999d", "expiring_within"),
        ("unused_for=90", "unused_for"),
        ("never_expires=yes", "never_expires"),
        ("prefix=Not%20one", "prefix"),
        ("sort=hint", "sort"),
        ("sort=--name", "sort"),
        ("cursor=AAAA", "cursor"),
    ] {
        let answer = manager.get(&format!("{KEYS}?{query}")).await;
        assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some(field)), "{query}: {answer:?}");
    }
}

#[tokio::test]
async fn the_command_line_lists_with_the_filters_of_the_api() {
    let server = Server::start();
    let member = server.member().await;
    let (off, _) = member.make_key_with(&[("name", "beta"), ("expires", "30d"), ("scopes", "orders:*")]).await;
    member.make_key_with(&[("name", "alpha"), ("expires", "never")]).await;
    member.form(&format!("/keys/{off}/disable"), &[]).await;
    let names = |words: &[&str]| {
        let words = [&["keys", "list", "--json", "--owner", MEMBER][..], words].concat();
        let keys: Value = serde_json::from_str(&server.home.run(&words)).unwrap();
        keys.as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["--sort", "-name"]), ["beta", "alpha"]);
    assert_eq!(names(&["--sort", "name"]), ["alpha", "beta"]);
    assert_eq!(names(&["--state", "disabled"]), ["beta"]);
    assert_eq!(names(&["--scope", "orders:read"]), ["beta"]);
    assert_eq!(names(&["--never-expires"]), ["alpha"]);
    assert_eq!(names(&["--unused-for", "90d"]), Vec::<String>::new());
    assert_eq!(names(&["--search", "BET"]), ["beta"]);
    let wrong = server.home.keybearer(&["keys", "list", "--expiring-within", "soon"]).output().unwrap();
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("7d"));
}

/// The names in the rows of a list, in their order.
fn rows(body: &str) -> Vec<String> {
    let rows = body.split("<th scope=\"row\">").skip(1);
    rows.map(|row| row.split("title=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()).collect()
}

/// Where the link with this text leads.
fn link(body: &str, text: &str) -> String {
    let before = body.split(&format!(">{text}")).next().unwrap();
    assert!(before.len() < body.len(), "{text}: {body}");
    let tag = before.rsplit("<a ").next().unwrap();
    let href = tag.split("href=\"").nth(1).unwrap_or_else(|| panic!("{text}: {tag}")).split('"').next().unwrap();
    href.replace("&#38;", "&")
}

#[tokio::test]
async fn the_filter_bar_counts_each_set_and_its_links_show_it() {
    let server = Server::start();
    let member = server.member().await;
    for (name, expires) in [("week", "7d"), ("month", "30d"), ("never", "never"), ("off", "never")] {
        server.clock.advance(Duration::from_secs(1));
        let (id, _) = member.make_key_with(&[("name", name), ("expires", expires), ("scopes", "a b")]).await;
        if name == "off" {
            member.form(&format!("/keys/{id}/disable"), &[]).await;
        }
    }
    let body = member.get("/keys").await.body;
    for (label, count, names) in [
        ("All", 4, &["off", "never", "month", "week"][..]),
        ("Active", 3, &["never", "month", "week"]),
        ("Expiring", 1, &["week"]),
        ("Unused 90 days", 0, &[]),
        ("Never expire", 1, &["never"]),
        ("Expired", 0, &[]),
        ("Disabled", 1, &["off"]),
    ] {
        assert!(body.contains(&format!("{label} <span class=\"count\">{count}</span>")), "{label}: {body}");
        let shown = member.get(&link(&body, &format!("{label} <span"))).await.body;
        assert_eq!(rows(&shown), names, "{label}");
        assert_eq!(shown.contains("Show all keys"), names.is_empty(), "{label}");
    }
    assert!(body.contains("1–4 of 4"), "{body}");
    let by_name = member.get(&link(&body, "Name</a>")).await.body;
    assert!(by_name.contains("aria-sort=\"ascending\""));
    assert_eq!(rows(&by_name), ["month", "never", "off", "week"]);
    let backwards = member.get(&link(&by_name, "Name</a>")).await.body;
    assert_eq!(rows(&backwards), ["week", "off", "never", "month"]);
    assert!(!member.get(&link(&backwards, "Name</a>")).await.body.contains("aria-sort"));
    let found = member.get("/keys?q=eve&scope=b&sort=name").await.body;
    assert_eq!(rows(&found), ["never"]);
    assert!(!found.contains("class=\"count\""), "a search counts nothing");
    assert!(member.get("/keys?q=no-such-name").await.body.contains("No keys found for"));
    assert_eq!(rows(&member.get("/keys?show=nonsense&sort=nonsense").await.body).len(), 4);

    let admin = server.admin().await;
    let owner = server.user(MEMBER, Role::Member).await.id;
    admin.make_key("mine").await;
    assert_eq!(rows(&admin.get("/admin/keys").await.body).len(), 5);
    let theirs = admin.get(&format!("/admin/keys?owner={owner}&sort=name")).await.body;
    assert_eq!(rows(&theirs), ["month", "never", "off", "week"]);
    assert!(theirs.contains("All <span class=\"count\">4</span>") && theirs.contains(" selected>grace@"), "{theirs}");
}

#[tokio::test]
async fn pages_of_the_list_can_be_turned_in_both_directions_and_keep_the_filter() {
    let server = Server::start();
    let admin = server.admin().await;
    for number in 0..120 {
        let name = KeyName::parse(&format!("job {number:03}")).unwrap();
        server.key_of(ADMIN, &["a"], |request| request.settings.name = name).await;
    }
    let first = admin.get("/keys?scope=a&sort=name").await.body;
    assert!(first.contains("1–50 of 120") && !first.contains(">Previous<"), "{first}");
    let second = admin.get(&link(&first, "Next</a>")).await.body;
    assert!(second.contains("51–100 of 120"), "{second}");
    let third = admin.get(&link(&second, "Next</a>")).await.body;
    assert!(third.contains("101–120 of 120") && !third.contains(">Next<"));
    assert_eq!(rows(&third)[0], "job 100");
    let again = admin.get(&link(&third, "Previous</a>")).await.body;
    assert_eq!(rows(&again), rows(&second));
    assert!(again.contains("51–100 of 120"));
    let start = admin.get(&link(&again, "Previous</a>")).await.body;
    assert_eq!(rows(&start), rows(&first));
    assert!(start.contains("1–50 of 120"));
    assert_eq!(admin.get("/keys?after=AAAA").await.status, 422);
}

fn crumbs(body: &str) -> &str {
    body.split("class=\"crumbs\"").nth(1).unwrap()
}

#[tokio::test]
async fn the_way_back_from_a_key_leads_to_the_list_as_it_was() {
    let server = Server::start();
    let admin = server.admin().await;
    let (id, _) = admin.make_key("mine").await;
    admin.make_key("other").await;
    let list = "/admin/keys?q=mine&show=active";
    let body = admin.get(list).await.body;
    let to_key = link(&body, "<bdi>mine");
    assert!(to_key.starts_with(&format!("/keys/{id}?from=")), "{to_key}");
    let key = admin.get(&to_key).await;
    assert_eq!(link(crumbs(&key.body), "All keys</a></li>"), list);
    let from = key.input("from");
    assert_eq!(from.replace("&#38;", "&"), list);
    let revoked = admin.form(&format!("/keys/{id}/revoke"), &[("from", list)]).await;
    assert_eq!((revoked.status, revoked.location()), (303, list));
    let (id, _) = admin.make_key("third").await;
    for forged in ["//evil.example", "https://evil.example/keys?q=a", "/logout", "/keys/x?y=1"] {
        let page = admin.get(&format!("/keys/{id}?from={forged}")).await;
        assert_eq!(link(crumbs(&page.body), "My keys</a></li>"), "/keys", "{forged}");
    }
    let revoked = admin.form(&format!("/keys/{id}/revoke"), &[("from", "https://evil.example/")]).await;
    assert_eq!((revoked.status, revoked.location()), (303, "/keys"));
}

#[tokio::test]
async fn selected_keys_are_revoked_or_disabled_together_after_a_question() {
    let server = Server::start();
    let (member, admin) = (server.member().await, server.admin().await);
    let (foreign, foreign_key) = admin.make_key("foreign").await;
    let mut keys = Vec::new();
    for name in ["one", "two", "three", "four"] {
        server.clock.advance(Duration::from_secs(1));
        keys.push(member.make_key(name).await);
    }
    let ids = |range: std::ops::Range<usize>| keys[range].iter().map(|(id, _)| ("id", id.as_str())).collect::<Vec<_>>();
    let events = server.home.number("SELECT count(*) FROM events");

    let nothing = member.form("/keys/selected/revoke", &[("list", "/keys")]).await;
    assert_eq!(nothing.status, 422);
    assert!(nothing.body.contains("Tick at least one key"), "{nothing:?}");
    let fields = [ids(0..2), vec![("id", foreign.as_str()), ("list", "/keys"), ("from", "/keys?show=active")]].concat();
    let question = member.form("/keys/selected/revoke", &fields).await;
    assert_eq!(question.status, 200);
    assert_eq!(rows(&question.body), ["one", "two"], "whatever is not theirs is not shown");
    assert!(question.body.contains("Revoke 2 keys?") && question.body.contains("Never used"), "{question:?}");
    assert_eq!(server.home.number("SELECT count(*) FROM events"), events, "nothing has happened yet");

    let done = member.form("/keys/selected/revoke", &[fields.clone(), vec![("confirmed", "1")]].concat()).await;
    assert_eq!((done.status, done.location()), (303, "/keys?show=active"));
    let shown = member.get("/keys?show=active").await.body;
    assert!(shown.contains("Revoked 2 keys. ") && shown.contains("1 key no longer existed."), "{shown}");
    assert_eq!(rows(&shown), ["four", "three"]);
    assert_eq!(server.tries(&keys[0].1).await, 401);
    assert_eq!(server.tries(&foreign_key).await, 200, "a member reaches only their own keys");
    assert_eq!(server.home.number("SELECT count(*) FROM events WHERE action = 'key.revoked'"), 2);

    let fields = [ids(2..4), vec![("id", &foreign), ("list", "/admin/keys"), ("confirmed", "1")]].concat();
    let done = admin.form("/keys/selected/disable", &fields).await;
    assert_eq!((done.status, done.location()), (303, "/admin/keys"));
    assert!(admin.get("/admin/keys").await.body.contains("Disabled 3 keys. "));
    for key in [&keys[2].1, &keys[3].1, &foreign_key] {
        assert_eq!(server.tries(key).await, 401);
    }
    assert_eq!(server.home.number("SELECT count(*) FROM events WHERE action = 'key.disabled'"), 3);
    assert_eq!(member.post("/keys/selected/revoke", &[("id", &keys[2].0), ("confirmed", "1")]).await.status, 403);
}

#[tokio::test]
async fn people_are_listed_in_pages_by_set_and_by_email() {
    let server = Server::start();
    let admin = server.admin().await;
    for number in 0..60 {
        let user = server.user(&format!("person{number:02}@example.com"), Role::Member).await;
        if number == 7 {
            admin.form(&format!("/users/{}/deactivate", user.id), &[]).await;
        }
    }
    let member = server.member().await;
    member.make_key("mine").await;
    let first = admin.get("/users").await.body;
    for (label, count) in [("All", 62), ("Admins", 1), ("Members", 60), ("Deactivated", 1)] {
        assert!(first.contains(&format!("{label} <span class=\"count\">{count}</span>")), "{label}: {first}");
    }
    assert!(first.contains("1–50 of 62"));
    let second = admin.get(&link(&first, "Next</a>")).await.body;
    assert_eq!(rows(&first).len() + rows(&second).len(), 62);
    assert!(second.contains("51–62 of 62"));
    assert_eq!(rows(&admin.get(&link(&second, "Previous</a>")).await.body), rows(&first));
    assert_eq!(rows(&admin.get(&link(&first, "Deactivated <span")).await.body), ["person07@example.com"]);
    assert_eq!(rows(&admin.get(&link(&first, "Admins <span")).await.body), [ADMIN]);
    assert_eq!(rows(&admin.get("/users?q=SON1&show=members").await.body).len(), 10);
    let row = admin.get(&format!("/users?q={MEMBER}")).await.body;
    assert!(row.contains("<td data-label=\"Keys\" class=\"number\">1</td>"), "{row}");
    assert!(admin.get("/users?q=nobody").await.body.contains("Show everyone"));
    assert_eq!(member.get("/users").await.status, 403);
}
