//! Keys with a history: created, used and disabled under a clock that the test sets.

use std::time::Duration;

use keybearer::testing::{
    Asking, Auth, AuthSettings, Basis, Demand, KeyChange, KeyId, KeyName, KeyRequest, KeySettings, LeftOpen, Made,
    ManualClock, Role, ScopeSet, Time, UserId,
};

use super::server::{ADMIN, PASSWORD};

/// A key of the admin.
pub struct Sample {
    pub name: &'static str,
    pub scopes: &'static [&'static str],
    pub made_ago: Duration,
    pub used_ago: Option<Duration>,
    pub expires_in: Option<Duration>,
    pub is_enabled: bool,
}

impl Sample {
    pub const fn new(
        name: &'static str,
        scopes: &'static [&'static str],
        made_ago: Duration,
        used_ago: Option<Duration>,
        expires_in: Option<Duration>,
    ) -> Self {
        Sample { name, scopes, made_ago, used_ago, expires_in, is_enabled: true }
    }
}

/// Stores [`ADMIN`], whose password is [`PASSWORD`], and these keys. The writer stores the rest when
/// `auth` closes.
pub async fn store(auth: &Auth, clock: &ManualClock, samples: &[Sample]) {
    let (now, operator) = (auth.now(), Asking::operator());
    let admin = auth.add_user(&operator, ADMIN, Role::Admin, Some(PASSWORD)).await.unwrap().id;
    let mut keys = Vec::new();
    for sample in samples {
        clock.set(now.minus(sample.made_ago));
        keys.push(create(auth, admin, sample, now).await);
    }
    // Only now: the collector's thread draws from the same randomness, at no fixed moment.
    auth.start_collecting(AuthSettings::default().usage_retention).unwrap();
    for (sample, (id, key)) in samples.iter().zip(keys) {
        if let Some(ago) = sample.used_ago {
            clock.set(now.minus(ago));
            let demand = Demand { scopes: &[], address: None, user_agent: b"" };
            assert!(auth.identify(key.as_bytes(), &demand).await.unwrap().is_ok(), "{}", sample.name);
        }
        clock.set(now);
        if !sample.is_enabled {
            auth.change_key(&operator, id, KeyChange::disable(), Basis::Anything).await.unwrap();
        }
    }
}

/// The id and the text of a new key.
async fn create(auth: &Auth, owner: UserId, sample: &Sample, now: Time) -> (KeyId, String) {
    let settings = KeySettings {
        scopes: ScopeSet::parse(sample.scopes.iter().copied()).unwrap(),
        expires_at: sample.expires_in.map(|span| now.plus(span)),
        ..KeySettings::named(KeyName::parse(sample.name).unwrap())
    };
    let request = KeyRequest { owner, prefix: None, settings, left_open: LeftOpen::default(), submission: None };
    match auth.create_key(&Asking::operator(), request).await.unwrap() {
        Made::Now { key, record } => (record.id, key.expose().to_owned()),
        Made::Before(_) => unreachable!("it has no submission"),
    }
}
