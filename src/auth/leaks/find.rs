//! Which keys a text contains, and what became of them.

use std::collections::HashSet;

use crate::auth::keys::with_digest;
use crate::auth::{Auth, Caller};
use crate::error::Result;
use crate::index::Lookup;
use crate::model::leak::{Candidate, Search};
use crate::model::{Digest, KeyRecord, Reach, Time};
use crate::store::Tx;

/// Maximum words that are looked up in the database, which is needed only while memory cannot decide.
const MAX_UNSURE: usize = 4096;
/// Digests that are looked up together.
const AT_ONCE: usize = 250;

/// The digests of what may be keys in a text, each once, in the order in which they were found.
#[derive(Debug, Clone, Default)]
pub struct FoundDigests {
    /// Texts with the shape and the checksum of one of our keys.
    pub keys: Vec<Digest>,
    /// Other words that are imported keys. While memory cannot decide, also words that are none.
    pub words: Vec<Digest>,
}

impl FoundDigests {
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.words.is_empty()
    }

    /// All of them, keys with our shape first.
    pub fn all(&self) -> impl Iterator<Item = Digest> + '_ {
        self.keys.iter().chain(&self.words).copied()
    }

    /// Keeps the first `limit`, and returns how many are left out.
    pub fn keep_first(&mut self, limit: usize) -> usize {
        let before = self.keys.len() + self.words.len();
        self.keys.truncate(limit);
        self.words.truncate(limit - self.keys.len());
        before - self.keys.len() - self.words.len()
    }
}

/// What became of the keys in a text.
#[derive(Debug, Default)]
pub struct KeyTraces {
    /// Keys that exist and that the caller can see, disabled and expired ones included.
    pub seen: Vec<KeyRecord>,
    /// How many exist that the caller cannot see.
    pub hidden: usize,
    /// When each of the others was revoked.
    pub revoked: Vec<Time>,
    /// How many have our format, but neither exist nor were revoked: they come from elsewhere, or are tokens that ended.
    pub unknown: usize,
}

impl KeyTraces {
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty() && self.hidden == 0 && self.revoked.is_empty() && self.unknown == 0
    }

    /// The key, if there is no other trace.
    pub fn only_seen(&self) -> Option<&KeyRecord> {
        match &self.seen[..] {
            [record] if self.hidden == 0 && self.revoked.is_empty() && self.unknown == 0 => Some(record),
            _ => None,
        }
    }
}

impl Auth {
    /// Searches a whole text in memory. It can take seconds for a long one, so a worker must not do it.
    pub fn digests_in(&self, text: &[u8]) -> FoundDigests {
        let (mut found, mut met, mut unsure) = (FoundDigests::default(), HashSet::new(), 0);
        let mut search = Search::default();
        if !self.store.may_hold_imported() {
            search.leave_out_words();
        }
        let mut note = |candidate: Candidate<'_>| match candidate {
            Candidate::Key(key) => {
                let digest = Digest::of(key);
                if met.insert(digest) {
                    found.keys.push(digest);
                }
            }
            Candidate::Word(word) => {
                let digest = Digest::of(word);
                let may_be_key = match self.store.look(&digest, |_| ()) {
                    Lookup::Found(()) => true,
                    Lookup::Absent => false,
                    Lookup::Unsure | Lookup::Broken => {
                        unsure += 1;
                        unsure <= MAX_UNSURE
                    }
                };
                if may_be_key && met.insert(digest) {
                    found.words.push(digest);
                }
            }
        };
        search.read(text, &mut note);
        search.end(&mut note);
        let keys: HashSet<Digest> = found.keys.iter().copied().collect();
        found.words.retain(|word| !keys.contains(word));
        found
    }

    /// What became of these keys, as far as the caller may know. A token counts once, with its refresh token.
    pub async fn trace_keys(&self, caller: &Caller, found: FoundDigests) -> Result<KeyTraces> {
        let reach = caller.reach();
        let (mut traces, mut met) = (KeyTraces::default(), HashSet::new());
        let keys = found.keys.iter().map(|digest| (*digest, true));
        let digests: Vec<(Digest, bool)> = keys.chain(found.words.iter().map(|digest| (*digest, false))).collect();
        for batch in digests.chunks(AT_ONCE) {
            let batch = batch.to_vec();
            for (trace, has_shape) in self.store.read(move |tx| trace_all(tx, &batch)).await? {
                match trace {
                    Trace::Here(record) if !met.insert(record.id) => {}
                    Trace::Here(record) if reach == Reach::Anyone || reach == Reach::Own(record.owner.id) => {
                        traces.seen.push(self.with_last_use(*record));
                    }
                    Trace::Here(_) => traces.hidden += 1,
                    Trace::Revoked(at) => traces.revoked.push(at),
                    Trace::None => traces.unknown += usize::from(has_shape),
                }
            }
        }
        Ok(traces)
    }
}

enum Trace {
    Here(Box<KeyRecord>),
    Revoked(Time),
    None,
}

fn trace_all(tx: &Tx<'_>, digests: &[(Digest, bool)]) -> Result<Vec<(Trace, bool)>> {
    digests.iter().map(|(digest, has_shape)| Ok((trace(tx, digest)?, *has_shape))).collect()
}

fn trace(tx: &Tx<'_>, digest: &Digest) -> Result<Trace> {
    if let Some(record) = with_digest(tx, digest)? {
        return Ok(Trace::Here(Box::new(record)));
    }
    Ok(tx.revoked_at(digest)?.map_or(Trace::None, Trace::Revoked))
}
