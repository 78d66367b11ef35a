//! Forms that were opened before the session ended: what was typed into them is not lost.

use keybearer::testing::Role;

use crate::harness::{MEMBER, PASSWORD, Server};

const KEY: &str = "kb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4gH3Qs";

#[tokio::test]
async fn a_form_of_an_earlier_session_comes_back_filled_in_with_a_fresh_token() {
    let server = Server::start();
    let member = server.member().await;
    let stale = member.get("/keys/new").await.input("csrf_token");
    member.sign_in(MEMBER, PASSWORD).await;
    let fields = [
        ("csrf_token", stale.as_str()),
        ("name", "<b>nightly</b>"),
        ("description", KEY),
        ("scopes", "a"),
        ("scopes", "b"),
        ("expires", "30d"),
        ("current_password", PASSWORD),
    ];
    let send = |site: &'static str| {
        let request = member.request("POST", "/keys").form(&fields);
        member.send(if site.is_empty() { request } else { request.header("sec-fetch-site", site) })
    };
    let again = send("same-origin").await;
    assert_eq!((again.status, again.new_key()), (422, None), "{again:?}");
    assert_eq!(again.body.matches("name=\"scopes\"").count(), 2, "{}", again.body);
    assert!(again.body.contains("&#60;b&#62;nightly") && again.body.contains("action=\"/keys\""), "{}", again.body);
    assert!(!again.body.contains(PASSWORD) && !again.body.contains(KEY), "no secret is repeated: {}", again.body);
    let fresh = again.body.rsplit("name=\"csrf_token\" value=\"").next().unwrap().split('"').next().unwrap();
    assert_ne!(fresh, stale);
    let mut sent = fields.to_vec();
    sent[0].1 = fresh;
    sent.remove(2);
    assert!(member.post("/keys", &sent).await.new_key().is_some());
    // Without the browser's word that the form is ours, it may come from anywhere, and is not repeated.
    for site in ["", "none", "cross-site"] {
        let refused = send(site).await;
        assert_eq!(refused.status, 403, "{site}");
        assert!(!refused.body.contains("nightly"), "{site}: {}", refused.body);
    }
}

#[tokio::test]
async fn after_the_session_has_ended_a_form_leads_back_to_its_page() {
    let server = Server::start();
    let member = server.member().await;
    let token = member.csrf_token().await;
    server.user(MEMBER, Role::Member).await;
    assert_eq!(member.form("/logout", &[]).await.status, 303);
    let next = async |referrer: String| {
        let request = member.request("POST", "/keys").form(&[("csrf_token", token.as_str()), ("name", "n")]);
        let answer = member.send(request.header("referer", referrer)).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        answer.location().to_owned()
    };
    let origin = format!("http://{}", server.address);
    assert_eq!(next(format!("{origin}/keys/new?x=1")).await, "/login?next=%2Fkeys%2Fnew%3Fx%3D1");
    assert_eq!(next(format!("{origin}/")).await, "/login");
    assert_eq!(next(format!("{origin}/keys?q={KEY}")).await, "/login", "never with a key");
    assert_eq!(next("nonsense".to_owned()).await, "/login");
    assert!(member.get("/login?next=/keys/new").await.body.contains("go on where you were"));
}
