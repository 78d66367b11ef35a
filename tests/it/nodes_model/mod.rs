//! The lease protocol of several nodes on one database, on random schedules: messages are late or lost, nodes are cut
//! off, frozen, slow and killed, clocks differ, the database fails over. `rules` says what the nodes must keep to, and
//! the other files do no more than that: they specify the protocol, and are changed together with it.
//!
//! `MODEL_RUNS` says how many schedules are tried, `SEED` which ones.
#![expect(clippy::print_stdout, reason = "how much was tried, and what it took, is a part of the result")]

mod client;
mod database;
mod failover;
mod node;
mod revoker;
mod rules;
mod schedule;
mod world;

use rules::{Plan, Rule};
use schedule::{NODES, Outcome};

use crate::harness::rounds;

/// More than enough for the rule whose absence shows least often, in one schedule of 300.
const ENOUGH: usize = 20_000;

fn run(plan: Plan, number: usize) -> Outcome {
    let seed: u64 = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_123);
    schedule::run(seed.wrapping_mul(1_000_003).wrapping_add(number as u64), plan)
}

/// Every schedule keeps the promise, and the nodes do not keep it by doing nothing.
fn keeps_the_promise(plan: Plan) {
    let schedules = rounds("MODEL_RUNS", 800);
    let (mut answered, mut serving) = (0, 0);
    for number in 0..schedules {
        let outcome = run(plan, number);
        assert_eq!(outcome.stale, None, "schedule {number}");
        answered += outcome.answered;
        serving += outcome.serving;
    }
    let share = serving as f64 / (schedules * NODES) as f64;
    println!("{schedules} schedules, {answered} answered revocations, {share:.3} of the nodes serve at the end");
    assert!(answered > schedules * 15, "only {answered} revocations were answered in {schedules} schedules");
    assert!(share > 0.9, "only {share} of the nodes serve at the end");
}

/// Some schedule breaks the promise; otherwise the schedules are too tame to prove anything.
fn breaks_without(rule: Rule) {
    let plan = Plan { without: Some(rule), fails_over: rule == Rule::Commit };
    let first = (0..ENOUGH).find_map(|number| run(plan, number).stale.map(|stale| (number, stale)));
    let (number, stale) = first.unwrap_or_else(|| panic!("{ENOUGH} schedules show no need for the rule {rule:?}"));
    println!("schedule {number}: {stale}");
}

#[test]
fn no_node_accepts_a_key_after_its_revocation_is_answered() {
    keeps_the_promise(Plan::default());
}

#[test]
fn a_failover_of_the_database_makes_no_node_accept_a_revoked_key() {
    keeps_the_promise(Plan { fails_over: true, ..Plan::default() });
}

#[test]
fn a_change_that_does_not_wait_for_the_other_nodes_is_answered_too_early() {
    breaks_without(Rule::Wait);
}

#[test]
fn a_node_that_goes_on_after_its_lease_accepts_revoked_keys() {
    breaks_without(Rule::Lease);
}

#[test]
fn a_lease_that_begins_before_the_changes_are_applied_is_too_early() {
    breaks_without(Rule::Applied);
}

#[test]
fn a_joining_node_that_claims_the_current_revision_accepts_revoked_keys() {
    breaks_without(Rule::Join);
}

#[test]
fn a_row_that_claims_nothing_may_be_about_to_get_a_lease_on_older_keys() {
    breaks_without(Rule::Joining);
}

#[test]
fn keys_that_were_read_for_an_earlier_incarnation_are_too_old() {
    breaks_without(Rule::Incarnation);
}

#[test]
fn a_late_row_that_is_deleted_at_once_may_still_get_a_lease() {
    breaks_without(Rule::Mark);
}

#[test]
fn a_marked_row_whose_heartbeats_are_answered_is_deleted_during_its_lease() {
    breaks_without(Rule::Refuse);
}

#[test]
fn a_marked_row_that_is_deleted_at_first_sight_may_still_have_a_lease() {
    breaks_without(Rule::Evict);
}

#[test]
fn an_old_primary_that_answers_heartbeats_alone_gives_leases_on_old_keys() {
    breaks_without(Rule::Commit);
}

#[test]
fn a_check_that_looks_the_key_up_before_it_reads_the_lease_accepts_a_revoked_one() {
    breaks_without(Rule::Order);
}
