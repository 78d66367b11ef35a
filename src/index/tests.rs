use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::thread;

use proptest::prelude::*;

use super::*;

/// A digest from a small set, so that keys collide: equal marks, shared owners, reused entries.
fn digest(number: u8) -> Digest {
    let mut bytes = [0; 32];
    // All have the same shard and one of two marks; their slots are adjacent in any table.
    bytes[1] = number % 2;
    bytes[31] = number;
    Digest::from_bytes(bytes)
}

fn owner(number: u8, active: bool) -> IndexedOwner {
    let email = Email::parse(&format!("owner{number}@example.com")).unwrap();
    IndexedOwner { id: UserId::from_bytes([number; 16]), email, role: Role::Member, active }
}

fn grant(number: u8) -> Grant {
    let scope = format!("scope:{number}");
    Grant {
        is_unreadable: false,
        is_token: false,
        limit_bucket: None,
        enabled: !number.is_multiple_of(3),
        scopes: ScopeSet::parse([scope.as_str()]).unwrap(),
        allowed_ips: Networks::default(),
        rate_limit: None,
    }
}

fn key(number: u8, owner: IndexedOwner, grant_number: u8, imported: bool) -> IndexedKey {
    let expires_at = (!number.is_multiple_of(4)).then(|| Time::from_millis(i64::from(grant_number) * 1000));
    IndexedKey {
        digest: digest(number),
        id: KeyId::from_bytes([number; 16]),
        owner: Arc::new(owner),
        grant: Arc::new(grant(grant_number)),
        expires_at,
        imported,
    }
}

/// Everything that a look-up can return.
type Sighting = (KeyId, IndexedOwner, Grant, Option<Time>);

fn look(index: &Index, digest: &Digest) -> Lookup<Sighting> {
    index.look(digest, |key| (key.id, IndexedOwner::clone(key.owner), Grant::clone(key.grant), key.expires_at))
}

#[derive(Debug, Clone)]
enum Step {
    Put { number: u8, owner: u8, active: bool, grant: u8, imported: bool },
    Remove(u8),
    PutOwner { number: u8, active: bool },
    Reset,
    Fill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..40_u8, 0..4_u8, any::<bool>(), 0..6_u8, any::<bool>())
            .prop_map(|(number, owner, active, grant, imported)| Step::Put { number, owner, active, grant, imported }),
        6 => (0..40_u8).prop_map(Step::Remove),
        2 => (0..4_u8, any::<bool>()).prop_map(|(number, active)| Step::PutOwner { number, active }),
        1 => Just(Step::Reset),
        1 => Just(Step::Fill),
    ]
}

/// The model with which the index is compared.
#[derive(Default)]
struct Model {
    keys: HashMap<u8, IndexedKey>,
    full: bool,
}

impl Model {
    fn renew(&mut self, owner: &IndexedOwner) {
        for key in self.keys.values_mut().filter(|key| key.owner.id == owner.id) {
            key.owner = Arc::new(owner.clone());
        }
    }

    fn apply(&mut self, step: &Step, writing: &mut Writing<'_>) {
        match *step {
            Step::Put { number, owner: of, active, grant, imported } => {
                let key = key(number, owner(of, active), grant, imported);
                self.renew(&key.owner);
                self.keys.insert(number, key.clone());
                writing.put(&key);
            }
            Step::Remove(number) => {
                self.keys.remove(&number);
                writing.remove(&digest(number));
            }
            Step::PutOwner { number, active } => {
                self.renew(&owner(number, active));
                writing.put_owner(&owner(number, active));
            }
            Step::Reset => {
                *self = Model::default();
                writing.reset();
            }
            Step::Fill => {
                self.full = true;
                writing.set_full();
            }
        }
    }

    fn expected(&self, number: u8) -> Lookup<Sighting> {
        match self.keys.get(&number) {
            Some(key) => Lookup::Found((key.id, (*key.owner).clone(), (*key.grant).clone(), key.expires_at)),
            None if self.full => Lookup::Absent,
            None => Lookup::Unsure,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_is_a_map(steps in prop::collection::vec(step(), 1..200)) {
        let (index, mut model) = (Index::new(), Model::default());
        for step in &steps {
            model.apply(step, &mut index.write().unwrap());
            prop_assert_eq!(index.keys(), model.keys.len() as u64);
            prop_assert_eq!(index.is_full(), model.full);
            let imported = model.keys.values().any(|key| key.imported);
            prop_assert_eq!(index.may_hold_imported(), imported || !model.full);
        }
        for number in 0..40 {
            prop_assert_eq!(look(&index, &digest(number)), model.expected(number));
        }
    }
}

#[test]
fn a_broken_index_answers_no_lookup() {
    let index = Index::new();
    let mut writing = index.write().unwrap();
    writing.put(&key(1, owner(1, true), 1, false));
    writing.set_full();
    writing.set_broken(true);
    assert_eq!((look(&index, &digest(1)), look(&index, &digest(2))), (Lookup::Broken, Lookup::Broken));
    writing.set_broken(false);
    assert!(matches!((look(&index, &digest(1)), look(&index, &digest(2))), (Lookup::Found(_), Lookup::Absent)));
}

#[test]
fn all_of_many_keys_are_found() {
    let index = Index::new();
    let mut writing = index.write().unwrap();
    let texts: Vec<String> = (0..30_000).map(|number| format!("key {number}")).collect();
    for text in &texts {
        let digest = Digest::of(text.as_bytes());
        writing.put(&IndexedKey { digest, ..key(1, owner(1, true), 1, false) });
    }
    writing.set_full();
    for text in texts.iter().step_by(2) {
        writing.remove(&Digest::of(text.as_bytes()));
    }
    for (number, text) in texts.iter().enumerate() {
        let found = matches!(look(&index, &Digest::of(text.as_bytes())), Lookup::Found(_));
        assert_eq!(found, number % 2 == 1, "{text}");
    }
    assert_eq!(index.keys(), 15_000);
}

/// Runs readers beside a writer until the writer finishes. `RACES` sets the number of rounds.
fn race(writer: impl FnOnce(usize) + Send, reader: impl Fn() + Send + Sync) {
    let rounds = std::env::var("RACES").ok().and_then(|text| text.parse().ok()).unwrap_or(5_000);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    reader();
                }
            });
        }
        writer(rounds);
        done.store(true, Ordering::Release);
    });
}

#[test]
fn a_reader_never_sees_a_mix_of_two_versions() {
    let index = Index::new();
    index.write().unwrap().set_full();
    let check = |number: u8| match look(&index, &digest(number)) {
        Lookup::Found((id, owner, grant_seen, expires_at)) => {
            assert_eq!(id, KeyId::from_bytes([number; 16]));
            // Each generation of a key has an owner and a grant with the same number.
            let generation = owner.id.as_bytes()[0];
            assert_eq!(owner, self::owner(generation, true));
            assert_eq!(grant_seen, grant(generation), "key {number} of generation {generation}");
            let end = (!number.is_multiple_of(4)).then(|| Time::from_millis(i64::from(generation) * 1000));
            assert_eq!(expires_at, end);
        }
        Lookup::Absent | Lookup::Unsure => {}
        Lookup::Broken => panic!("nothing is broken"),
    };
    race(
        |rounds| {
            let mut writing = index.write().unwrap();
            for round in 0..rounds {
                let (number, generation) = ((round % 11) as u8, (round % 7) as u8);
                match round % 3 {
                    0 => writing.remove(&digest(number)),
                    _ => writing.put(&key(number, owner(generation, true), generation, false)),
                }
            }
        },
        || (0..11).for_each(check),
    );
}

#[test]
fn a_removed_key_is_never_found_again_and_a_kept_one_is_always_found() {
    let index = Index::new();
    let kept = 200;
    let mut writing = index.write().unwrap();
    writing.put(&key(kept, owner(9, true), 1, false));
    writing.set_full();
    drop(writing);
    // The writer's progress: even before a removal, odd once the removal has returned.
    let removed = AtomicUsize::new(0);
    race(
        |rounds| {
            let mut writing = index.write().unwrap();
            for round in 0..rounds {
                // Neighbours are added and removed, so that the table is rebuilt and entries are reused.
                writing.put(&key(1, owner(1, true), 1, false));
                writing.put(&key((round % 90) as u8 + 2, owner(2, true), 2, false));
                writing.remove(&digest(1));
                removed.fetch_add(1, Ordering::SeqCst);
                writing.remove(&digest((round * 7 % 90) as u8 + 2));
                removed.fetch_add(1, Ordering::SeqCst);
            }
        },
        || {
            let before = removed.load(Ordering::SeqCst);
            let seen = look(&index, &digest(1));
            if before % 2 == 1 && removed.load(Ordering::SeqCst) == before {
                assert!(!matches!(seen, Lookup::Found(_)), "found after its removal returned");
            }
            assert!(!matches!(look(&index, &digest(kept)), Lookup::Absent), "a live key was reported absent");
        },
    );
}

#[test]
fn an_index_that_is_rebuilt_reports_no_live_key_as_absent() {
    let index = Index::new();
    let fill = |writing: &mut Writing<'_>| {
        for number in 0..20 {
            writing.put(&key(number, owner(1, true), 1, true));
        }
        writing.set_full();
    };
    fill(&mut index.write().unwrap());
    race(
        |rounds| {
            for _ in 0..rounds / 10 {
                let mut writing = index.write().unwrap();
                writing.reset();
                fill(&mut writing);
            }
        },
        || {
            for number in 0..20 {
                assert!(!matches!(look(&index, &digest(number)), Lookup::Absent), "a live key was reported absent");
            }
            assert!(index.may_hold_imported());
        },
    );
}

#[test]
fn every_key_shows_its_owners_deactivation_once_the_writer_returns() {
    let index = Index::new();
    let state = AtomicUsize::new(0);
    let mut writing = index.write().unwrap();
    (0..10).for_each(|number| writing.put(&key(number, owner(1, true), number, false)));
    writing.set_full();
    drop(writing);
    race(
        |rounds| {
            let mut writing = index.write().unwrap();
            for _ in 0..rounds {
                writing.put_owner(&owner(1, false));
                state.fetch_add(1, Ordering::SeqCst);
                state.fetch_add(1, Ordering::SeqCst);
                writing.put_owner(&owner(1, true));
            }
        },
        || {
            for number in 0..10 {
                let before = state.load(Ordering::SeqCst);
                let seen = look(&index, &digest(number));
                if before % 2 == 1 && state.load(Ordering::SeqCst) == before {
                    assert!(matches!(seen, Lookup::Found((_, ref owner, ..)) if !owner.active), "{seen:?}");
                }
            }
        },
    );
}
