//! One value per thread, for counters and buffers that threads must not share on the hot path.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// A value on its own cache line (pair), so that neighbours do not slow each other down.
#[repr(align(128))]
struct Padded<T>(T);

/// The values of all threads. They must be `Sync`, because threads share slots if there are more threads than slots.
pub struct PerThread<T> {
    slots: Box<[Padded<T>]>,
}

impl<T> PerThread<T> {
    const SLOTS: usize = 32;

    pub fn new(make: impl Fn() -> T) -> Self {
        PerThread { slots: (0..Self::SLOTS).map(|_| Padded(make())).collect() }
    }

    pub fn own(&self) -> &T {
        let number = OWN.with(|own| {
            if own.get() == usize::MAX {
                own.set(NEXT.fetch_add(1, Ordering::Relaxed));
            }
            own.get()
        });
        &self.slots[number % Self::SLOTS].0
    }

    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().map(|slot| &slot.0)
    }
}
