//! Counts against a model: every use comes into the database once, whatever happens to its key's number in between.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::clients::{NOBODY, UseOrigins};
use super::counts::{Counts, UNNUMBERED, UsageRow};
use crate::model::usage::{Hour, Use};
use crate::model::{ClientAddress, KeyId, Time};

const HOUR: i64 = 3_600_000;

fn key(n: u8) -> KeyId {
    KeyId::from_bytes([n; 16])
}

fn used(n: u8, number: u32, at: i64) -> Use {
    Use { key: key(n), at: Time::from_millis(at), client: 0, number }
}

#[test]
fn a_late_use_of_a_revoked_key_does_not_count_for_the_key_that_has_its_number() {
    let mut counts = Counts::default();
    counts.add(&used(1, 70_000, HOUR), NOBODY, |_, _| true);
    for n in [2, 1] {
        counts.add(&used(n, 70_000, HOUR), NOBODY, |_, holder| *holder == key(2));
    }
    let rows = [0, 70_001].map(|mut next| counts.next_rows(&mut next, 64, |_| Some(key(2))));
    let counted = rows.map(|rows| rows.iter().map(|row| (row.key, row.tally.count)).collect::<Vec<_>>());
    assert_eq!(counted, [vec![(key(2), 1)], vec![(key(1), 1)]]);
}

#[test]
fn a_flood_of_clients_of_one_key_stays_small_and_every_use_counts() {
    let mut counts = Counts::default();
    for client in 1..5_000_u32 {
        let mut clients = UseOrigins::default();
        clients.number(Some(ClientAddress::Known(client.to_be_bytes().into())), b"");
        let client = counts.translate(&clients)[1];
        counts.add(&used(1, 5, HOUR + i64::from(client) * 100), client, |_, _| true);
    }
    assert!(counts.rows() <= 53, "{}", counts.rows());
    let rows = counts.pending(Some(5), &key(1), Time::from_millis(HOUR));
    assert_eq!(rows.iter().map(|(_, tally)| tally.count).sum::<u64>(), 4_999);
    assert!(counts.unnamed() > 4_900);
}

#[test]
fn who_was_last_stays_known_after_the_write_until_others_need_the_memory() {
    let mut counts = Counts::default();
    let address = |n: u32| Some(ClientAddress::Known(n.to_be_bytes().into()));
    let mut clients = UseOrigins::default();
    for n in 9..40_000 {
        clients.number(address(n), b"curl/8");
    }
    let client = counts.translate(&clients)[1];
    counts.add(&used(1, 5, HOUR), client, |_, _| true);
    counts.add(&used(2, UNNUMBERED, HOUR), client, |_, _| true);
    for _ in 0..2 {
        let rows = counts.next_rows(&mut 0, 64, |_| Some(key(1)));
        counts.subtract(&rows);
    }
    assert_eq!(counts.rows(), 0);
    for expected in [Some(address(9)), Some(address(9)), None] {
        let last = |number, n| counts.last_use(number, &key(n), Time::from_millis(HOUR)).map(|(_, by)| by.address);
        assert_eq!([last(Some(5), 1), last(None, 2), last(Some(5), 2)], [expected; 3]);
        counts.tidy();
        counts.translate(&clients);
    }
}

#[derive(Debug, Clone)]
enum UsageStep {
    /// A use of a key in an hour by a client.
    Use(u8, i64, u32),
    /// The rows of the next transaction are chosen.
    Begin(usize),
    /// That transaction ends, with a commit or not.
    End(bool),
    Revoke(u8),
    Reset,
    Tidy,
}

fn step() -> impl Strategy<Value = UsageStep> {
    prop_oneof![
        20 => (1..12_u8, 1..4_i64, 1..4_u32).prop_map(|(n, hour, client)| UsageStep::Use(n, hour, client)),
        6 => (1..5_usize).prop_map(UsageStep::Begin),
        6 => any::<bool>().prop_map(UsageStep::End),
        1 => (1..12_u8).prop_map(UsageStep::Revoke),
        1 => Just(UsageStep::Reset),
        1 => Just(UsageStep::Tidy),
    ]
}

/// The key that is never in the index.
const NEVER_INDEXED: u8 = 11;

/// The index, the database and what should be in it.
#[derive(Default)]
struct UsageModel {
    numbers: HashMap<u32, u8>,
    revoked: HashSet<u8>,
    begun: Vec<UsageRow>,
    next: u32,
    stored: UsesByClient,
    expected: UsesByClient,
}

type UsesByClient = HashMap<(KeyId, Hour, u8), u64>;

impl UsageModel {
    /// The key's number; a new key gets the lowest free one.
    fn number(&mut self, n: u8) -> u32 {
        let held = self.numbers.iter().find(|(_, holder)| **holder == n).map(|(number, _)| *number);
        let number = held.or_else(|| (0..).find(|number| !self.numbers.contains_key(number))).unwrap();
        self.numbers.insert(number, n);
        number
    }

    fn apply(&mut self, step: &UsageStep, counts: &mut Counts) {
        match *step {
            UsageStep::Use(n, ..) if self.revoked.contains(&n) => {}
            UsageStep::Use(n, hour, client) => {
                let number = if n == NEVER_INDEXED { UNNUMBERED } else { self.number(n) };
                let holds = |number: u32, id: &KeyId| self.numbers.get(&number).is_some_and(|n| key(*n) == *id);
                let mut clients = UseOrigins::default();
                clients.number(None, &[client as u8]);
                let known = counts.translate(&clients)[1];
                counts.add(&used(n, number, hour * HOUR), known, holds);
                *self.expected.entry((key(n), Hour(hour as u32), client as u8)).or_default() += 1;
            }
            UsageStep::Begin(most) => {
                let key_at = |number| self.numbers.get(&number).map(|n| key(*n));
                self.begun = counts.next_rows(&mut self.next, most, key_at);
            }
            UsageStep::End(is_committed) => {
                let rows = std::mem::take(&mut self.begun);
                if rows.is_empty() {
                    self.next = 0;
                }
                for row in rows.iter().filter(|_| is_committed) {
                    let client = row.tally.last_client.user_agent[0];
                    *self.stored.entry((row.key, row.hour, client)).or_default() += row.tally.count;
                }
                if is_committed {
                    counts.subtract(&rows);
                }
            }
            UsageStep::Revoke(n) => {
                self.revoked.insert(n);
                self.numbers.retain(|_, holder| *holder != n);
            }
            UsageStep::Reset => {
                counts.forget_numbers(|number| self.numbers.get(&number).map(|n| key(*n)));
                self.numbers.clear();
            }
            UsageStep::Tidy => counts.tidy(),
        }
    }

    fn of_live_keys(&self, rows: &UsesByClient) -> Vec<((KeyId, Hour, u8), u64)> {
        let is_live = |id: &KeyId| !self.revoked.contains(&id.as_bytes()[0]);
        let mut rows: Vec<_> = rows.iter().filter(|((id, ..), _)| is_live(id)).map(|(at, n)| (*at, *n)).collect();
        rows.sort();
        rows
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_use_is_stored_once(steps in prop::collection::vec(step(), 1..150)) {
        let (mut counts, mut model) = (Counts::default(), UsageModel::default());
        for step in steps.iter().chain([UsageStep::Begin(3), UsageStep::End(true)].iter().cycle().take(200)) {
            model.apply(step, &mut counts);
        }
        prop_assert_eq!(counts.rows(), 0);
        prop_assert_eq!(model.of_live_keys(&model.stored), model.of_live_keys(&model.expected));
    }
}
