//! `keybearer keys find --stdin` and `keys revoke --stdin`: show or revoke every key of this server that a text
//! contains, disabled and expired ones included.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;

use super::super::{Context, output};
use super::list;
use super::revoke::report;
use crate::auth::caller::Asking;
use crate::auth::{Auth, WhichKeys};
use crate::error::{Error, Result};
use crate::model::leak::{Candidate, MAX_WORD_BYTES, MIN_WORD_BYTES, Search};
use crate::model::{Basis, Digest, KeyRecord};

const CHUNK: usize = 1 << 20;
/// Maximum digests per look-up.
const BATCH: usize = 4096;
/// Maximum digests, and maximum words, that are remembered; a forgotten one is looked up again.
const REMEMBERED: usize = 1 << 20;
/// How many words are looked up one by one before the digests of all imported keys are loaded instead.
const MAX_SINGLE_LOOKUPS: u64 = 50_000;

/// Revokes every key that the text contains.
pub async fn revoke(context: &Context, text: impl Read, auth: &Auth, asking: &Asking) -> Result<()> {
    let mut leaks = Leaks::new(auth, asking, Task::Revoke);
    let read = leaks.read(text).await;
    let (count, explanation) = (leaks.found.len(), leaks.explanation());
    report(context, leaks.found, &[], auth.now())?;
    if count == 0 && read.is_ok() {
        output::say(&explanation);
    }
    // What was found before an error is revoked and reported.
    read
}

/// Shows every key that the text contains.
pub async fn find(context: &Context, text: impl Read, auth: &Auth, asking: &Asking) -> Result<()> {
    let mut leaks = Leaks::new(auth, asking, Task::Find);
    let read = leaks.read(text).await;
    // A token and its refresh token are one, and so is a key that was forgotten and looked up again.
    leaks.found.sort_by_key(|record| record.id);
    leaks.found.dedup_by_key(|record| record.id);
    if context.json || !leaks.found.is_empty() {
        list::print(context, &leaks.found, auth.now())?;
    }
    if leaks.found.is_empty() && read.is_ok() {
        output::say(&leaks.explanation());
    }
    read
}

/// What happens to the keys in the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Find,
    Revoke,
}

struct Leaks<'a> {
    auth: &'a Auth,
    asking: &'a Asking,
    task: Task,
    found: Vec<KeyRecord>,
    /// Digests of texts with the shape of a key.
    seen: HashSet<Digest>,
    /// How many digests were added to `seen`, which is cleared when it is full.
    shaped: u64,
    words: LeakedWords,
    has_text: bool,
}

/// The words that were seen, by their hashes, because logs repeat words.
struct LeakedWords {
    hasher: RandomState,
    met: Vec<u64>,
    looked_up: u64,
    /// The first eight bytes of each imported key's digest, sorted; `None` until they are loaded.
    imported: Option<Vec<u64>>,
}

impl LeakedWords {
    /// The word's digest if it must be looked up; `None` if the word was seen before or is known not to be an imported
    /// key.
    fn worth_a_look(&mut self, word: &[u8]) -> Option<Digest> {
        let hash = self.hasher.hash_one(word);
        let place = &mut self.met[hash as usize % REMEMBERED];
        if std::mem::replace(place, hash) == hash {
            return None;
        }
        let digest = Digest::of(word);
        match &self.imported {
            Some(imported) => imported.binary_search(&digest.head()).is_ok().then_some(digest),
            None => {
                self.looked_up += 1;
                Some(digest)
            }
        }
    }
}

impl<'a> Leaks<'a> {
    fn new(auth: &'a Auth, asking: &'a Asking, task: Task) -> Self {
        let words = LeakedWords { hasher: RandomState::new(), met: vec![0; REMEMBERED], looked_up: 0, imported: None };
        Leaks { auth, asking, task, found: Vec::new(), seen: HashSet::new(), shaped: 0, words, has_text: false }
    }

    async fn read(&mut self, mut text: impl Read) -> Result<()> {
        let (mut search, mut chunk) = (Search::default(), vec![0; CHUNK]);
        loop {
            let read = match text.read(&mut chunk) {
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(Error::conflict(format!("stdin could not be read to its end: {error}.")));
                }
            };
            self.has_text |= read > 0;
            let mut candidates = Vec::new();
            let mut note = |candidate: Candidate<'_>| candidates.extend(self.digest_of(candidate));
            if read == 0 {
                search.end(&mut note);
                return self.look_up(candidates).await;
            }
            search.read(&chunk[..read], &mut note);
            self.look_up(candidates).await?;
            if self.words.imported.is_none() && self.words.looked_up > MAX_SINGLE_LOOKUPS {
                let imported = self.auth.imported_heads(self.asking).await?;
                if imported.is_empty() {
                    search.leave_out_words();
                }
                self.words.imported = Some(imported);
            }
        }
    }

    /// `None` if it was looked up before or cannot be a key.
    fn digest_of(&mut self, candidate: Candidate<'_>) -> Option<Digest> {
        match candidate {
            Candidate::Word(word) => self.words.worth_a_look(word),
            Candidate::Key(key) => {
                if self.seen.len() >= REMEMBERED {
                    self.seen.clear();
                }
                let digest = Digest::of(key);
                let is_new = self.seen.insert(digest);
                self.shaped += u64::from(is_new);
                is_new.then_some(digest)
            }
        }
    }

    async fn look_up(&mut self, candidates: Vec<Digest>) -> Result<()> {
        for batch in candidates.chunks(BATCH) {
            let found = self.auth.keys_with_digests(self.asking, batch.to_vec()).await?;
            self.found.extend(match self.task {
                Task::Find => found.into_iter().map(|(_, record)| record).collect(),
                Task::Revoke if found.is_empty() => Vec::new(),
                Task::Revoke => {
                    let which = WhichKeys::Digests(found.into_iter().map(|(digest, _)| digest).collect());
                    self.auth.revoke_keys(self.asking, which, Basis::Anything).await?.records
                }
            });
        }
        Ok(())
    }

    /// Why nothing was found.
    fn explanation(&self) -> String {
        let undone = if self.task == Task::Revoke { " Nothing was revoked." } else { "" };
        if !self.has_text {
            return format!("There is no text on stdin.{undone}");
        }
        let found = match self.shaped {
            0 => "No key was found in the text.".to_owned(),
            1 => {
                "One key was found in the text, but it is not stored here: it was revoked, or belongs to another server."
                    .to_owned()
            }
            many => {
                format!(
                    "{many} keys were found in the text, but none is stored here: they were revoked, or belong to \
                     another server."
                )
            }
        };
        format!(
            "{found}{undone} Searched for: keys with a prefix, `_` and 49 characters with a correct checksum, \
             anywhere in the text; imported keys as words of {MIN_WORD_BYTES} to {MAX_WORD_BYTES} bytes. The text is read as \
             UTF-8 and UTF-16, percent-encoded, as JSON strings and as base64; compressed files are not searched."
        )
    }
}
