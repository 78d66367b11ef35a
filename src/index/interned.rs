//! Parts that many keys share (owners, grants), stored once with a reference count. A number is not reused as long as
//! any entry refers to it; readers check the entry again after they have read its parts.

use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::{ArcSwapOption, Guard};

const CHUNK_BITS: u32 = 14;
const CHUNK: usize = 1 << CHUNK_BITS;
const CHUNKS: usize = 1 << 14;

type Slots<T> = Box<[ArcSwapOption<T>]>;

pub(super) struct Interned<T> {
    chunks: Box<[OnceLock<Slots<T>>]>,
    /// Used only by the writer.
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    uses: Vec<u64>,
    free: Vec<u32>,
}

impl<T> Interned<T> {
    pub fn new() -> Self {
        Interned { chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect(), books: Mutex::default() }
    }

    fn slot(&self, number: u32) -> Option<&ArcSwapOption<T>> {
        self.chunks.get((number >> CHUNK_BITS) as usize)?.get()?.get(number as usize & (CHUNK - 1))
    }

    /// Returns the part without a lock or a shared count: the guard borrows it.
    pub fn get(&self, number: u32) -> Option<Guard<Option<Arc<T>>>> {
        self.slot(number).map(ArcSwapOption::load)
    }

    /// Adds a part with one use.
    pub fn add(&self, value: Arc<T>) -> u32 {
        let number = self.with_books(|books| {
            let number = books.free.pop().unwrap_or_else(|| {
                books.uses.push(0);
                u32::try_from(books.uses.len() - 1).expect("fewer owners and grants than keys, fewer keys than 2^30")
            });
            books.uses[number as usize] = 1;
            number
        });
        let chunk = &self.chunks[(number >> CHUNK_BITS) as usize];
        chunk.get_or_init(|| (0..CHUNK).map(|_| ArcSwapOption::empty()).collect());
        self.replace(number, value);
        number
    }

    pub fn replace(&self, number: u32, value: Arc<T>) {
        if let Some(slot) = self.slot(number) {
            slot.store(Some(value));
        }
    }

    pub fn retain(&self, number: u32) {
        self.with_books(|books| books.uses[number as usize] += 1);
    }

    /// Removes one use, and returns the content if it was the last.
    pub fn release(&self, number: u32) -> Option<Arc<T>> {
        let is_last = self.with_books(|books| {
            let uses = &mut books.uses[number as usize];
            *uses -= 1;
            if *uses == 0 {
                books.free.push(number);
            }
            *uses == 0
        });
        if is_last { self.slot(number).and_then(|slot| slot.swap(None)) } else { None }
    }

    fn with_books<R>(&self, act: impl FnOnce(&mut Books) -> R) -> R {
        let mut books = self.books.lock().expect("only the writer takes this lock, and its panic ends the process");
        act(&mut books)
    }
}
