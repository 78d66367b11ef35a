//! Keys in the dashboard: created, shown once, listed, changed, revoked; own ones, and an admin's view.

use std::time::Duration;

use keybearer::testing::Role;

use crate::harness::{ADMIN, Client, MEMBER, Server};

#[tokio::test]
async fn a_key_is_shown_once() {
    let server = Server::start();
    let member = server.member().await;
    let token = member.get("/keys/new").await.input("csrf_token");
    let form = [("csrf_token", token.as_str()), ("name", "nightly job"), ("expires", "90d"), ("scopes", "orders:read")];
    let shown = member.post("/keys", &form).await;
    let key = shown.new_key().expect("the page shows the key");
    assert_eq!((shown.status, shown.header("cache-control")), (200, "no-store"));
    assert!(
        shown
            .body
            .contains(&format!("curl -H &#34;Authorization: Bearer {key}&#34; http://keys.test/api/v1/keys/current"))
            || shown
                .body
                .contains(&format!("curl -H \"Authorization: Bearer {key}\" http://keys.test/api/v1/keys/current"))
    );
    assert_eq!(server.tries(&key).await, 200, "it is in force when it is shown");

    let again = member.post("/keys", &form).await;
    assert_eq!((again.status, again.new_key()), (200, None), "a reload posts the form again");
    assert!(again.body.contains("already been shown"), "{again:?}");
    let id = server.bearer(&key).get("/api/v1/keys/current").await.json()["id"].as_str().unwrap().to_owned();
    for page in ["/keys", "/", &format!("/keys/{id}"), "/account", "/keys/new"] {
        let page = member.get(page).await;
        assert!(page.status == 200 && !page.body.contains(&key), "{page:?}");
    }
    assert_eq!(
        member.get("/keys").await.body.matches("<bdi>nightly job</bdi></a>").count(),
        1,
        "a reload made no second key"
    );
}

#[tokio::test]
async fn a_reload_shows_nothing_even_after_the_key_was_revoked_or_the_server_restarted() {
    let server = Server::start();
    let member = server.member().await;
    let token = member.get("/keys/new").await.input("csrf_token");
    let form = [("csrf_token", token.as_str()), ("name", "n"), ("expires", "never")];
    let key = member.post("/keys", &form).await.new_key().unwrap();
    let server = server.restart();
    let cookies = std::mem::take(&mut *member.cookies.lock().unwrap());
    let member = server.anon();
    *member.cookies.lock().unwrap() = cookies;
    let again = member.post("/keys", &form).await;
    assert_eq!((again.status, again.new_key()), (200, None));
    assert_eq!(server.bearer(&key).call("DELETE", "/api/v1/keys/current").await.status, 204);
    let again = member.post("/keys", &form).await;
    assert_eq!((again.status, again.new_key()), (200, None));
    assert!(again.body.contains("<bdi>revoked key</bdi>"));
}

#[tokio::test]
async fn a_revoked_key_is_refused_on_the_next_request() {
    let server = Server::start();
    let member = server.member().await;
    let (id, key) = member.make_key("mine").await;
    let revoked = member.form(&format!("/keys/{id}/revoke"), &[]).await;
    assert_eq!((revoked.status, revoked.location()), (303, "/keys"));
    assert_eq!(server.tries(&key).await, 401);
    assert_eq!(server.bearer(&key).get("/auth").await.status, 401);
    assert_eq!(member.get(&format!("/keys/{id}")).await.status, 404);
    assert_eq!(member.form(&format!("/keys/{id}/revoke"), &[]).await.status, 404, "a stale form changes nothing");
}

#[tokio::test]
async fn a_key_revokes_itself() {
    let server = Server::start();
    let (_, key) = server.key(&[]).await;
    let bearer = server.bearer(&key);
    let revoked = bearer.call("DELETE", "/api/v1/keys/current").await;
    assert_eq!((revoked.status, revoked.body.as_str(), revoked.header("cache-control")), (204, "", "no-store"));
    assert_eq!(bearer.call("DELETE", "/api/v1/keys/current").await.problem(), (401, "invalid_key".into()));
    assert_eq!(server.restart().tries(&key).await, 401);
}

#[tokio::test]
async fn a_disabled_key_is_refused_until_it_is_enabled() {
    let server = Server::start();
    let member = server.member().await;
    let (id, key) = member.make_key("mine").await;
    for _ in 0..3 {
        assert_eq!(member.form(&format!("/keys/{id}/disable"), &[]).await.status, 303);
        assert_eq!(server.tries(&key).await, 401);
        assert_eq!(member.form(&format!("/keys/{id}/enable"), &[]).await.status, 303);
        assert_eq!(server.tries(&key).await, 200);
    }
}

#[tokio::test]
async fn another_members_key_looks_like_an_unknown_one() {
    let server = Server::start();
    let (member, stranger) = (server.member().await, server.person("eve@example.com", Role::Member).await);
    let (id, key) = member.make_key("mine").await;
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    for act in ["", "/revoke", "/rotate", "/disable", "/enable", "/edit"] {
        let ask = async |id: &str| match act {
            "" => stranger.get(&format!("/keys/{id}")).await,
            act => stranger.form(&format!("/keys/{id}{act}"), &[("name", "stolen"), ("overlap", "0")]).await,
        };
        let (foreign, none) = (ask(&id).await, ask(unknown).await);
        assert_eq!(foreign.status, 404, "{act}");
        assert_eq!(foreign.whole(), none.whole(), "{act}");
    }
    assert!(!stranger.get("/keys").await.body.contains(&id));
    assert!(member.get(&format!("/keys/{id}")).await.body.contains("mine"), "nothing was changed");
    assert_eq!(server.tries(&key).await, 200);
}

#[tokio::test]
async fn an_admin_finds_and_revokes_anyones_key() {
    let server = Server::start();
    let (admin, member) = (server.admin().await, server.member().await);
    let (id, key) = member.make_key("nightly backup").await;
    member.make_key("other").await;
    for search in ["nightly", "BACKUP", MEMBER, &id, &key[key.len() - 4..]] {
        assert!(admin.get(&format!("/admin/keys?q={search}")).await.body.contains(&id), "{search}");
    }
    for search in ["nothing", "%25", "_______", "\\"] {
        assert!(!admin.get(&format!("/admin/keys?q={search}")).await.body.contains(&id), "{search}");
    }
    let revoked = admin.form(&format!("/keys/{id}/revoke"), &[]).await;
    assert_eq!((revoked.status, revoked.location()), (303, "/admin/keys"));
    assert_eq!(server.tries(&key).await, 401);
}

#[tokio::test]
async fn a_member_cannot_grant_keybearer_scopes() {
    let server = Server::start();
    let member = server.member().await;
    for scope in ["keybearer:verify", "keybearer:keys", "keybearer:users", "keybearer:events", "keybearer:*"] {
        let refused = member.form("/keys", &[("name", "n"), ("expires", "90d"), ("scopes", scope)]).await;
        assert_eq!((refused.status, refused.new_key()), (422, None), "{scope}");
    }
    let (_, star) = member.make_key_with(&[("name", "n"), ("expires", "90d"), ("scopes", "*")]).await;
    assert_eq!(server.bearer(&star).get("/auth?scope=keybearer:verify").await.status, 403);
    assert_eq!(server.bearer(&star).get("/auth?scope=orders:read").await.status, 200);
}

#[tokio::test]
async fn an_admin_grants_keybearer_scopes_after_a_recent_sign_in_or_the_password() {
    let server = Server::start();
    let admin = server.admin().await;
    let form = [("name", "gateway"), ("expires", "90d"), ("scopes", "keybearer:verify")];
    admin.make_key_with(&form).await;
    server.clock.advance(std::time::Duration::from_secs(3600));
    let asked = admin.form("/keys", &form).await;
    assert_eq!((asked.status, asked.new_key()), (422, None));
    assert_eq!(asked.input("name"), "gateway");
    let wrong = admin.form("/keys", &[&form[..], &[("current_password", "wrong password here")]].concat()).await;
    assert_eq!((wrong.status, wrong.new_key()), (422, None));
    let right = admin.form("/keys", &[&form[..], &[("current_password", crate::harness::PASSWORD)]].concat()).await;
    assert!(right.new_key().is_some(), "{right:?}");
}

#[tokio::test]
async fn a_renamed_key_keeps_working() {
    let server = Server::start();
    let member = server.member().await;
    let (id, key) = member.make_key("before").await;
    assert_eq!(member.form(&format!("/keys/{id}/edit"), &[("name", "after")]).await.status, 303);
    assert_eq!(server.bearer(&key).get("/api/v1/keys/current").await.json()["name"], "after");
    let refused = member.form(&format!("/keys/{id}/edit"), &[("name", " ")]).await;
    assert_eq!(refused.status, 422);
    assert_eq!(server.bearer(&key).get("/api/v1/keys/current").await.json()["name"], "after");
}

#[tokio::test]
async fn the_list_is_paged_without_loss() {
    let server = Server::start();
    let member = server.member().await;
    for number in 0..55 {
        server
            .key_of(MEMBER, &[], |new| {
                new.settings.name = keybearer::testing::KeyName::parse(&format!("key number {number:02}")).unwrap()
            })
            .await;
    }
    let first = member.get("/keys").await.body;
    let older =
        first.split("href=\"").find(|link| link.starts_with("/keys?after=")).unwrap().split('"').next().unwrap();
    let second = member.get(older).await.body;
    for number in 0..55 {
        let name = format!("key number {number:02}");
        assert!(first.contains(&name) != second.contains(&name), "{name} is on one page");
    }
    for forged in ["x", "AAAA", "%00", "' OR 1=1", "AAAAAAAAAAAAAAAAAAAAAA"] {
        let status = member.get(&format!("/keys?after={forged}")).await.status;
        assert!([200, 422].contains(&status), "{forged}: {status}");
    }
}

const PERSIAN: &str = "می\u{200c}خواهم";
const EMOJI: &str = "👩\u{200d}💻 deploy";

#[tokio::test]
async fn names_are_accepted_in_every_script_and_refused_when_invisible() {
    let server = Server::start();
    let member = server.member().await;
    let (id, _) = member.make_key("plain").await;
    let manager = server.bearer(&server.key_of(ADMIN, &["keybearer:keys"], |_| {}).await.1);
    let blank = ["\u{3164}", "\u{2800}\u{2800}", "\u{115f}", "\u{200d}", "\u{301}", "\u{fe0f}", "\u{3164} \u{ffa0}"];
    let hidden = ["pay\u{200d}pal", "a\u{200c}b", "a\u{202e}b", "a\u{2067}b", "a\u{200f}", "a\u{e0061}\u{e007f}"];
    for (name, status) in [PERSIAN, "क्\u{200d}ष", EMOJI, "👨\u{200d}👩\u{200d}👧", "nützlich"]
        .map(|name| (name, 200))
        .into_iter()
        .chain(blank.into_iter().chain(hidden).map(|name| (name, 422)))
    {
        let made = member.form("/keys", &[("name", name), ("expires", "90d")]).await;
        assert_eq!(made.status, status, "{name:?}");
        let renamed = member.form(&format!("/keys/{id}/edit"), &[("name", name)]).await;
        assert_eq!(renamed.status, if status == 200 { 303 } else { 422 }, "{name:?}");
        let made =
            manager.json("/api/v1/keys", serde_json::json!({ "name": name, "expires_in": "1h" }).to_string()).await;
        assert_eq!(made.status, if status == 200 { 201 } else { 422 }, "{name:?}: {made:?}");
        let words = ["keys", "create", "--owner", MEMBER, "--name", name];
        assert_eq!(server.home.keybearer(&words).assert().get_output().status.success(), status == 200, "{name:?}");
    }
    let listed = server.home.run(&["keys", "list", "--owner", MEMBER]);
    assert!(listed.contains(PERSIAN) && listed.contains(EMOJI), "a terminal shows them as they are: {listed}");
    assert!(member.get("/keys").await.body.contains(PERSIAN));
}

/// The expiry of a key that is created now and works until the end of a day, at this offset from UTC in minutes.
async fn end_of_day(member: &Client, day: &str, offset: Option<&str>) -> Result<String, u16> {
    let fields = [("name", "n"), ("expires", "custom"), ("expires_on", day)];
    let offset = offset.map(|offset| ("utc_offset", offset));
    let made = member.form("/keys", &fields.into_iter().chain(offset).collect::<Vec<_>>()).await;
    let Some(key) = made.new_key() else { return Err(made.status) };
    let client = Client::bearer(member.address(), &key);
    Ok(client.get("/api/v1/keys/current").await.json()["expires_at"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_day_ends_in_the_users_time_zone() {
    let server = Server::start();
    // 2026-11-24, 01:30 UTC: 17:30 of the day before in Los Angeles, 15:30 in Kiritimati.
    server.clock.advance(Duration::from_secs(17 * 3600 + 30 * 60));
    let member = server.member().await;
    let end = |day, offset| end_of_day(&member, day, offset);
    assert_eq!(end("2026-11-23", Some("-480")).await, Ok("2026-11-24T08:00:00Z".into()), "today in Los Angeles");
    assert_eq!(end("2026-11-24", Some("840")).await, Ok("2026-11-24T10:00:00Z".into()), "today in Kiritimati");
    assert_eq!(end("2026-11-24", Some("")).await, Ok("2026-11-25T00:00:00Z".into()), "without a script: UTC");
    assert_eq!(end("2026-11-24", None).await, Ok("2026-11-25T00:00:00Z".into()));
    assert_eq!(end("2026-11-23", None).await, Err(422), "over in UTC");
    assert_eq!(end("2026-11-23", Some("840")).await, Err(422), "over in Kiritimati");
    for nonsense in ["841", "-721", "x", "1.5", "99999999999999999999"] {
        assert_eq!(end("2026-12-24", Some(nonsense)).await, Err(422), "{nonsense}");
    }
    let form = member.get("/keys/new").await.body;
    assert!(form.contains("min=\"2026-11-24\"") && form.contains("midnight (UTC) at the end of this day"), "{form}");
}
