//! The memory of one hash: a separate mapping, which is returned to the system as a whole. The allocator may keep what
//! it frees: after a few sign-ins it kept 200 MB.

use argon2::Block;
use memmap2::{MmapMut, MmapOptions};

use crate::error::{Error, Result};

/// Blocks of 1 KiB, mapped while a hash needs them.
#[derive(Default)]
pub struct Memory(Option<MmapMut>);

impl Memory {
    /// Makes room for `count` blocks. Fails, and nothing is hashed, if the system has no memory.
    pub fn reserve(&mut self, count: usize) -> Result<()> {
        let bytes = count.checked_mul(Block::SIZE).ok_or_else(|| Error::internal("a hash has an impossible size"))?;
        if self.0.as_ref().is_some_and(|mapping| mapping.len() >= bytes) {
            return Ok(());
        }
        self.0 = None;
        let mapping = MmapOptions::new().len(bytes).map_anon();
        self.0 = Some(mapping.map_err(|error| Error::unavailable(format!("no memory to hash a password: {error}")))?);
        Ok(())
    }

    /// At least as many blocks as were last reserved.
    pub fn blocks(&mut self) -> &mut [Block] {
        let Some(mapping) = &mut self.0 else { return &mut [] };
        // SAFETY: a mapping starts at a page boundary, which is a multiple of a block's alignment (64), and is not
        // shared; a block is 128 integers without padding, for which any bytes are valid.
        unsafe { std::slice::from_raw_parts_mut(mapping.as_mut_ptr().cast(), mapping.len() / Block::SIZE) }
    }

    pub fn is_held(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the memory to the system immediately.
    pub fn release(&mut self) {
        self.0 = None;
    }
}
