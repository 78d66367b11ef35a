//! Large arrays on large pages. A look-up touches two places of hundreds of megabytes at random; on
//! small pages each would cost a walk of the page tables besides.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What the processor maps as one.
const LARGE_PAGE: usize = 2 << 20;
const SMALLEST_BLOCK: usize = 64 << 10;

/// An array of `count` values; on large pages if it fills one and the system has them.
pub fn filled<T>(count: usize, make: impl FnMut() -> T) -> Box<[T]> {
    let mut values = Vec::with_capacity(count);
    prefer_large_pages(&mut values);
    values.resize_with(count, make);
    values.into_boxed_slice()
}

/// Must come before the memory is touched: pages are given out at the first touch.
#[cfg(target_os = "linux")]
fn prefer_large_pages<T>(values: &mut Vec<T>) {
    let bytes = values.capacity() * size_of::<T>();
    if bytes < LARGE_PAGE {
        return;
    }
    let start = values.as_mut_ptr().cast::<u8>();
    let before = start.align_offset(LARGE_PAGE).min(bytes);
    // An allocator's own few bytes often stand before ours in the first page; that page counts as well.
    let (first, length) = match start.addr() % LARGE_PAGE {
        head if head < 4096 => (start.wrapping_sub(head), bytes + head),
        _ => (start.wrapping_add(before), bytes - before),
    };
    let length = length / LARGE_PAGE * LARGE_PAGE;
    if length > 0 {
        // SAFETY: `MADV_HUGEPAGE` changes no content and no access right, only how the system backs the
        // range with memory; the range is page-aligned. A refusal (no such pages) leaves small ones.
        let _ = unsafe { rustix::mm::madvise(first.cast(), length, rustix::mm::Advice::LinuxHugepage) };
    }
}

#[cfg(not(target_os = "linux"))]
fn prefer_large_pages<T>(_: &mut Vec<T>) {}

/// Words that several tables share, so that small tables lie on large pages too.
type Block = Arc<Box<[AtomicU64]>>;

/// A table's part of a block.
pub(super) struct Words {
    block: Block,
    start: usize,
    count: usize,
}

impl Words {
    pub fn all(&self) -> &[AtomicU64] {
        &self.block[self.start..self.start + self.count]
    }
}

/// Hands out words, all zero. A block is freed when the last table in it is.
#[derive(Default)]
pub(super) struct Blocks {
    last: Option<Block>,
    used: usize,
    handed_out: usize,
}

impl Blocks {
    pub fn words(&mut self, count: usize) -> Words {
        let room = self.last.as_ref().map_or(0, |block| block.len() - self.used);
        let block = match &self.last {
            Some(block) if count <= room => Arc::clone(block),
            _ => {
                // Small while there are few keys, so that an almost empty index costs little.
                let bytes = (self.handed_out * size_of::<AtomicU64>()).clamp(SMALLEST_BLOCK, LARGE_PAGE);
                let block: Block = Arc::new(filled(count.max(bytes / size_of::<AtomicU64>()), || AtomicU64::new(0)));
                self.last = Some(Arc::clone(&block));
                self.used = 0;
                block
            }
        };
        let start = self.used;
        self.used += count;
        self.handed_out += count;
        Words { block, start, count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn words_are_zero_and_nobody_elses() {
        let mut blocks = Blocks::default();
        let parts: Vec<Words> = [16, 8192, 1, 300_000, 16].into_iter().map(|count| blocks.words(count)).collect();
        for (number, part) in parts.iter().enumerate() {
            for word in part.all() {
                assert_eq!(word.swap(number as u64 + 1, Ordering::Relaxed), 0);
            }
        }
        assert_eq!(parts.iter().map(|part| part.all().len()).sum::<usize>(), 16 + 8192 + 1 + 300_000 + 16);
    }

    #[test]
    fn a_large_array_is_filled_wherever_it_lies() {
        for count in [1, 1000, LARGE_PAGE, 3 * LARGE_PAGE + 5] {
            let mut next = 0_u8;
            let bytes = filled(count, || {
                next = next.wrapping_add(1);
                next
            });
            assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == (at as u8).wrapping_add(1)));
        }
    }
}
