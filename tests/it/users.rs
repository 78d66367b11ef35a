//! People, as an admin manages them.

use crate::harness::{ADMIN, Client, MEMBER, PASSWORD, Server, quoted};
use keybearer::testing::Role;

async fn add(admin: &Client, email: &str, role: &str, password: &str) -> crate::harness::Answer {
    admin.form("/users", &[("email", email), ("role", role), ("password", password)]).await
}

#[tokio::test]
async fn an_added_user_signs_in_with_the_given_role() {
    let server = Server::start();
    let admin = server.admin().await;
    assert_eq!(add(&admin, MEMBER, "member", PASSWORD).await.location(), "/users");
    assert_eq!(add(&admin, "second@example.com", "admin", PASSWORD).await.location(), "/users");
    let member = Client::signed_in(server.address, MEMBER).await;
    assert_eq!(member.get("/users").await.status, 403);
    let second = Client::signed_in(server.address, "second@example.com").await;
    assert_eq!(second.get("/users").await.status, 200);
}

#[tokio::test]
async fn a_refused_user_form_keeps_the_input_except_the_password() {
    let server = Server::start();
    let admin = server.admin().await;
    for (email, password) in [
        (ADMIN, PASSWORD),
        (" ADA@Example.COM", PASSWORD),
        ("m\u{131}ke@example.com", PASSWORD),
        ("\u{212a}im@example.com", PASSWORD),
        ("\u{ff41}da@example.com", PASSWORD),
        ("nonsense", PASSWORD),
        ("new@example.com", "too-short"),
        ("new@example.com", "keybearer12345678"),
        ("new@example.com", "new@example.com"),
    ] {
        let refused = add(&admin, email, "member", password).await;
        assert_eq!(refused.status, 422, "{email} {password}");
        assert_eq!(refused.input("email"), email);
        assert!(refused.body.contains("field-error"), "{refused:?}");
        assert_eq!(refused.body.matches(password).count(), usize::from(email == password), "{refused:?}");
    }
    assert_eq!(add(&admin, "new@example.com", "member", PASSWORD).await.status, 303);
}

#[tokio::test]
async fn creating_an_admin_requires_a_recent_sign_in_or_the_password() {
    let server = Server::start();
    let admin = server.admin().await;
    server.clock.advance(std::time::Duration::from_secs(3600));
    let asked = add(&admin, "second@example.com", "admin", PASSWORD).await;
    assert!(asked.status == 422 && asked.body.contains("name=\"current_password\""), "{asked:?}");
    let fields =
        [("email", "second@example.com"), ("role", "admin"), ("password", PASSWORD), ("current_password", PASSWORD)];
    assert_eq!(admin.form("/users", &fields).await.status, 303);
    assert_eq!(add(&admin, MEMBER, "member", PASSWORD).await.status, 303, "a member needs none of it");
}

#[tokio::test]
async fn a_member_manages_no_users() {
    let server = Server::start();
    let (admin, member) = (server.admin().await, server.member().await);
    let id = server.user(ADMIN, Role::Admin).await.id;
    for path in ["/users".to_owned(), format!("/users/{id}/deactivate"), format!("/users/{id}/sessions/end")] {
        assert_eq!(
            member.form(&path, &[("email", "eve@example.com"), ("password", PASSWORD)]).await.status,
            403,
            "{path}"
        );
    }
    assert_eq!(admin.get("/users").await.status, 200);
    assert!(!admin.get("/users").await.body.contains("eve@example.com"));
}

#[tokio::test]
async fn an_unknown_role_creates_no_admin() {
    let server = Server::start();
    let admin = server.admin().await;
    for role in ["", "root", "ADMIN", "admin "] {
        let email = format!("user{}@example.com", role.len());
        add(&admin, &email, role, PASSWORD).await;
        let others = format!("SELECT count(*) FROM users WHERE email = {} AND role <> 'member'", quoted(&email));
        assert_eq!(server.home.number(others), 0);
    }
}

#[tokio::test]
async fn the_last_admin_can_never_be_removed() {
    let server = Server::start();
    let (admin, second) = (server.admin().await, server.person("second@example.com", Role::Admin).await);
    let (one, two) =
        (server.user(ADMIN, Role::Admin).await.id, server.user("second@example.com", Role::Admin).await.id);
    let own = admin.form(&format!("/users/{one}/deactivate"), &[]).await;
    assert_eq!(own.status, 409, "not oneself");
    let (of_one, of_two) = (format!("/users/{one}/deactivate"), format!("/users/{two}/deactivate"));
    // Both forms are open before either is sent.
    let (token_one, token_two) = (admin.csrf_token().await, second.csrf_token().await);
    let (fields_one, fields_two) = ([("csrf_token", token_one.as_str())], [("csrf_token", token_two.as_str())]);
    let (first, other) =
        futures_util::future::join(admin.post(&of_two, &fields_one), second.post(&of_one, &fields_two)).await;
    let mut statuses = [first.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses[0], 303);
    let active = "SELECT count(*) FROM users WHERE role = 'admin' AND active = 1";
    let active = server.home.number(active);
    assert_eq!(active, 1);
    for (act, email) in [
        ("deactivate", ADMIN),
        ("deactivate", "second@example.com"),
        ("remove", ADMIN),
        ("remove", "second@example.com"),
    ] {
        // One of the two is not active any more and may go; the other may not.
        let _ = server.home.keybearer(&["users", act, email]).output().unwrap();
    }
    let left = "SELECT count(*) FROM users WHERE role = 'admin' AND active = 1";
    let left = server.home.number(left);
    assert_eq!(left, 1);
}

#[tokio::test]
async fn a_user_created_again_under_an_old_email_inherits_nothing() {
    let server = Server::start();
    let (_, key) = server.key(&[]).await;
    let old = server.member().await;
    server.home.run(&["users", "remove", MEMBER]);
    let new = server.member().await;
    assert_eq!(server.tries(&key).await, 401);
    assert_eq!(old.get("/keys").await.status, 303);
    assert!(!new.get("/keys").await.body.contains("nightly job"));
}
