//! `/api/v1/users…` and `/api/v1/events`.

use super::field;
use super::operation::Operation;
use crate::http::api::UserJson;
use crate::http::api::events::EventPage;
use crate::http::api::users::{NewUserBody, UserChangeBody, UserPage};
use crate::model::{Action, Scope};

const PEOPLE: &str = "People";

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(PEOPLE, "get", "/api/v1/users", "listUsers", "List users, newest first")
            .for_scope(Scope::USERS)
            .query("search", field::search(), "Part of an email, or a whole ID.")
            .query("role", field::role(), "Only these.")
            .query("active", field::truth(), "Only these.")
            .paged()
            .answers::<UserPage>(200, "One page.", &[]),
        Operation::new(PEOPLE, "post", "/api/v1/users", "addUser", "Add a user")
            .for_scope(Scope::USERS)
            .takes::<NewUserBody>()
            .refuses(&[409])
            .answers::<UserJson>(201, "The record.", &["Location", "ETag"])
            .leads_to(201, &["getUser", "changeUser", "removeUser"]),
        Operation::new(PEOPLE, "get", "/api/v1/users/{id}", "getUser", "One user's record")
            .for_scope(Scope::USERS)
            .refuses(&[404])
            .answers::<UserJson>(200, "The record.", &["ETag"]),
        Operation::new(PEOPLE, "patch", "/api/v1/users/{id}", "changeUser", "Change a user's role, state or password")
            .described_as(
                "All fields change or none; in force when the response is sent. The last active admin cannot be demoted \
                 or deactivated.",
            )
            .for_scope(Scope::USERS)
            .if_match()
            .takes::<UserChangeBody>()
            .refuses(&[404, 409])
            .answers::<UserJson>(200, "The record after the change.", &["ETag"]),
        Operation::new(
            PEOPLE,
            "delete",
            "/api/v1/users/{id}",
            "removeUser",
            "Permanently remove a user and revoke their keys",
        )
        .for_scope(Scope::USERS)
        .if_match()
        .refuses(&[404, 409])
        .answers_empty(204, "Removed.", &[]),
        Operation::new(PEOPLE, "get", "/api/v1/events", "listEvents", "Read the audit log, newest first")
            .for_scope(Scope::EVENTS)
            .query("search", field::search(), "Part of the actor, action, target or address.")
            .query("action", field::one_of(Action::ALL.map(Action::as_str)), "Only these.")
            .query("actor_id", field::id(), "By this user or key.")
            .query("object_id", field::id(), "About this key, user or session.")
            .query("since", field::time(), "Events at or after this time.")
            .query("until", field::time(), "Events before this time.")
            .paged()
            .answers::<EventPage>(200, "One page.", &[]),
    ]
}
