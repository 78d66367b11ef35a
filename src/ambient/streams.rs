//! Which of the standard streams this process was started without. Before `main`, Rust's runtime opens /dev/null in
//! their places, so that no file of ours gets their numbers; after that nobody can tell such a stream from one
//! that was sent to /dev/null on purpose, and a key would be printed to nobody.

use std::sync::atomic::{AtomicU8, Ordering};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdin = 0,
    Stdout = 1,
}

/// A bit for each stream.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Run by the loader, before the runtime looks.
#[used]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    for stream in [Stream::Stdin, Stream::Stdout] {
        // SAFETY: F_GETFD only asks, of any number, whether a file is open under it.
        if unsafe { libc::fcntl(stream as i32, libc::F_GETFD) } == -1 {
            CLOSED.fetch_or(1 << stream as u8, Ordering::Relaxed);
        }
    }
}

pub fn was_closed(stream: Stream) -> bool {
    CLOSED.load(Ordering::Relaxed) & (1 << stream as u8) != 0
}
