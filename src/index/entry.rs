//! The entries: 64 bytes per key, which is one cache line, in safe atomics, each entry with its own sequence lock. A
//! reader that meets a change in progress gets [`EntryReading::Moving`]; it never waits and never sees a mix of versions.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Mutex, OnceLock};

use super::memory::{Words, prefetch};
use crate::model::{Digest, KeyId, Time};

const CHUNK_BITS: u32 = 16;
const CHUNK: usize = 1 << CHUNK_BITS;
/// Chunks × entries per chunk: room for one billion keys.
const CHUNKS: usize = 1 << 14;

/// The expiry that means "never": all bits of the seconds in an entry's last word are set.
const NEVER: u64 = (1 << 39) - 1;
const IMPORTED: u64 = 1 << 39;
const VERSION_SHIFT: u32 = 40;

/// Words 0-3: digest; 4-5: id; 6: owner and grant; 7: version (24 bits), imported (1), expiry (39). An odd version
/// means that the entry is being written.
type Entry = [AtomicU64; WORDS];
const WORDS: usize = 8;

/// One state of one entry. Any change of the key gives its entry another version, and so does its removal. The versions
/// repeat after eight million changes of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntryVersion {
    /// Stable while the key exists.
    pub number: u32,
    version: u32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Content {
    pub id: KeyId,
    pub owner: u32,
    pub grant: u32,
    pub expires_at: Option<Time>,
    pub imported: bool,
}

pub(super) enum EntryReading<T> {
    /// The entry holds this digest, and `read` saw a consistent version of it.
    Same(T),
    Other,
    Moving,
}

pub(super) struct Entries {
    chunks: Box<[OnceLock<Words>]>,
    next: AtomicU32,
    /// Used only by the writer; the mutex is needed only because this is safe code.
    free: Mutex<Vec<u32>>,
}

impl Entries {
    pub fn new() -> Self {
        Entries {
            chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect(),
            next: AtomicU32::new(0),
            free: Mutex::new(Vec::new()),
        }
    }

    fn entry(&self, number: u32) -> &Entry {
        let chunk = self.chunks[(number >> CHUNK_BITS) as usize].get();
        let (entries, _) = chunk.expect("a chunk is allocated before its numbers are handed out").all().as_chunks();
        &entries[number as usize & (CHUNK - 1)]
    }

    pub fn fetch(&self, number: u32) {
        prefetch(&self.entry(number)[0]);
    }

    /// Runs `read` between two reads of the version. If the version did not change, the owner and grant that `read`
    /// followed belonged to this entry the whole time.
    pub fn read<T>(
        &self,
        number: u32,
        digest: &Digest,
        read: impl FnOnce(Content, EntryVersion) -> T,
    ) -> EntryReading<T> {
        let words = self.entry(number);
        let before = words[7].load(Ordering::Acquire);
        let found: [u64; 4] = std::array::from_fn(|i| words[i].load(Ordering::Relaxed));
        let (id, shared) =
            ([words[4].load(Ordering::Relaxed), words[5].load(Ordering::Relaxed)], words[6].load(Ordering::Relaxed));
        let same = found == digest_words(digest);
        let is_moving = (before >> VERSION_SHIFT) & 1 == 1;
        let result = (same && !is_moving).then(|| {
            read(content(id, shared, before), EntryVersion { number, version: (before >> VERSION_SHIFT) as u32 })
        });
        fence(Ordering::Acquire);
        let after = words[7].load(Ordering::Relaxed);
        match result {
            _ if is_moving || before != after => EntryReading::Moving,
            Some(result) => EntryReading::Same(result),
            None => EntryReading::Other,
        }
    }

    pub fn digest(&self, number: u32) -> Digest {
        let words = self.entry(number);
        let mut bytes = [0; 32];
        for (part, word) in bytes.chunks_exact_mut(8).zip(words) {
            part.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        }
        Digest::from_bytes(bytes)
    }

    /// The id in the entry, if it holds a key. Waits while it is being changed.
    pub fn key_at(&self, number: u32) -> Option<KeyId> {
        self.chunks.get((number >> CHUNK_BITS) as usize)?.get()?;
        let words = self.entry(number);
        loop {
            let before = words[7].load(Ordering::Acquire);
            let id = [words[4].load(Ordering::Relaxed), words[5].load(Ordering::Relaxed)];
            fence(Ordering::Acquire);
            if (before >> VERSION_SHIFT) & 1 == 0 && words[7].load(Ordering::Relaxed) == before {
                return (id != [0, 0]).then(|| content(id, 0, before).id);
            }
            std::thread::yield_now();
        }
    }

    pub fn add(&self, digest: &Digest, content: Content) -> u32 {
        let recycled = self.free.lock().ok().and_then(|mut free| free.pop());
        let number = recycled.unwrap_or_else(|| {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let chunk = &self.chunks[(number >> CHUNK_BITS) as usize];
            chunk.get_or_init(|| Words::zeroed(CHUNK * WORDS));
            number
        });
        self.write(number, digest_words(digest), content);
        number
    }

    /// Replaces the entry's content and returns the old one.
    pub fn change(&self, number: u32, digest: &Digest, content: Content) -> Content {
        let old = self.content(number);
        self.write(number, digest_words(digest), content);
        old
    }

    /// Empties the entry, so that a reader with an old table does not find the key, and returns the old content.
    pub fn clear(&self, number: u32) -> Content {
        let old = self.content(number);
        let nothing = Content { id: KeyId::from_bytes([0; 16]), owner: 0, grant: 0, expires_at: None, imported: false };
        self.write(number, [0; 4], nothing);
        old
    }

    /// Frees the entry for reuse. A reader that still has its number sees another digest or a changed version.
    pub fn recycle(&self, number: u32) {
        if let Ok(mut free) = self.free.lock() {
            free.push(number);
        }
    }

    fn content(&self, number: u32) -> Content {
        let words = self.entry(number);
        let id = [words[4].load(Ordering::Relaxed), words[5].load(Ordering::Relaxed)];
        content(id, words[6].load(Ordering::Relaxed), words[7].load(Ordering::Relaxed))
    }

    fn write(&self, number: u32, digest: [u64; 4], content: Content) {
        let words = self.entry(number);
        let version = (words[7].load(Ordering::Relaxed) >> VERSION_SHIFT) & 0xff_ffff;
        words[7].store((version | 1) << VERSION_SHIFT, Ordering::Relaxed);
        // The odd version becomes visible before any word below.
        fence(Ordering::Release);
        for (word, value) in words.iter().zip(digest) {
            word.store(value, Ordering::Relaxed);
        }
        let (high, low) = content.id.as_bytes().split_at(8);
        words[4].store(u64::from_be_bytes(high.try_into().expect("eight of sixteen bytes")), Ordering::Relaxed);
        words[5].store(u64::from_be_bytes(low.try_into().expect("eight of sixteen bytes")), Ordering::Relaxed);
        words[6].store(u64::from(content.owner) << 32 | u64::from(content.grant), Ordering::Relaxed);
        let seconds = content.expires_at.map_or(NEVER, |end| u64::try_from(end.seconds()).unwrap_or(0).min(NEVER - 1));
        let imported = if content.imported { IMPORTED } else { 0 };
        let next = (version.wrapping_add(2) & 0xff_fffe) << VERSION_SHIFT;
        words[7].store(next | imported | seconds, Ordering::Release);
    }
}

fn content(id: [u64; 2], shared: u64, last: u64) -> Content {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&id[0].to_be_bytes());
    bytes[8..].copy_from_slice(&id[1].to_be_bytes());
    let seconds = last & NEVER;
    Content {
        id: KeyId::from_bytes(bytes),
        owner: (shared >> 32) as u32,
        grant: shared as u32,
        expires_at: (seconds != NEVER).then(|| Time::from_millis(seconds as i64 * 1000)),
        imported: last & IMPORTED != 0,
    }
}

fn digest_words(digest: &Digest) -> [u64; 4] {
    let bytes = digest.as_bytes();
    std::array::from_fn(|i| u64::from_le_bytes(bytes[i * 8..i * 8 + 8].try_into().expect("eight of 32 bytes")))
}
