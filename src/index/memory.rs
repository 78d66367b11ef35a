//! Millions of words on large pages. A look-up reads two random places in hundreds of megabytes; on small pages each
//! would also cost a page-table walk.

use std::alloc::{Layout, handle_alloc_error};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapMut, MmapOptions};

/// The size of a large page.
pub const LARGE_PAGE: usize = 2 << 20;
const MIN_BLOCK_BYTES: usize = 64 << 10;

/// Zeroed words in their own mapping, at a page boundary. Unused ones need no memory.
pub struct Words {
    mapping: MmapMut,
}

impl Words {
    pub fn zeroed(count: usize) -> Self {
        let bytes = count.max(1) * size_of::<AtomicU64>();
        // Out of memory terminates the process, as it does in a `Vec`.
        let out_of_memory = || handle_alloc_error(Layout::array::<AtomicU64>(count).unwrap_or(Layout::new::<u64>()));
        let mapping = MmapOptions::new().len(bytes).map_anon().unwrap_or_else(|_| out_of_memory());
        #[cfg(target_os = "linux")]
        if bytes >= LARGE_PAGE {
            // If the system has no large pages, small ones work as well.
            let _ = mapping.advise(memmap2::Advice::HugePage);
        }
        Words { mapping }
    }

    pub fn all(&self) -> &[AtomicU64] {
        // SAFETY: a mapping starts at a page boundary (aligned) and exists as long as `self`; its bytes are initialised
        // (zero), and they are accessed only through these atomics.
        unsafe { std::slice::from_raw_parts(self.mapping.as_ptr().cast(), self.mapping.len() / size_of::<AtomicU64>()) }
    }
}

/// Prefetches this word, because a random look-up in hundreds of megabytes waits longer for memory than it computes.
pub fn prefetch(word: &AtomicU64) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is only a hint and has no visible effect.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(word).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = word;
}

/// A table's part of a block of words that several tables share, so that small tables are on large pages too.
pub(super) struct Part {
    block: Arc<Words>,
    start: usize,
    count: usize,
}

impl Part {
    pub fn all(&self) -> &[AtomicU64] {
        &self.block.all()[self.start..self.start + self.count]
    }
}

/// Allocates zeroed words. A block is freed together with its last table.
#[derive(Default)]
pub(super) struct Blocks {
    last: Option<Arc<Words>>,
    used: usize,
    handed_out: usize,
}

impl Blocks {
    pub fn part(&mut self, count: usize) -> Part {
        let room = self.last.as_ref().map_or(0, |block| block.all().len() - self.used);
        let block = match &self.last {
            Some(block) if count <= room => Arc::clone(block),
            _ => {
                // The block is small while there are few keys, so that an almost empty index needs little memory.
                let bytes = (self.handed_out * size_of::<AtomicU64>()).clamp(MIN_BLOCK_BYTES, LARGE_PAGE);
                let block = Arc::new(Words::zeroed(count.max(bytes / size_of::<AtomicU64>())));
                self.last = Some(Arc::clone(&block));
                self.used = 0;
                block
            }
        };
        let start = self.used;
        self.used += count;
        self.handed_out += count;
        Part { block, start, count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn words_are_zero_and_not_shared() {
        let mut blocks = Blocks::default();
        let parts: Vec<Part> = [16, 8192, 1, 300_000, 16].into_iter().map(|count| blocks.part(count)).collect();
        for (number, part) in parts.iter().enumerate() {
            for word in part.all() {
                assert_eq!(word.swap(number as u64 + 1, Ordering::Relaxed), 0);
            }
        }
        assert_eq!(parts.iter().map(|part| part.all().len()).sum::<usize>(), 16 + 8192 + 1 + 300_000 + 16);
    }
}
