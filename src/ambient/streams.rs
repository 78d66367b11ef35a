//! Tells which standard streams were closed when this process started. Before `main`, Rust's runtime opens /dev/null in
//! their place, so that no other file gets their numbers. After that, such a stream looks the same as one that was
//! redirected to /dev/null on purpose, and a printed key would be lost.

use std::sync::atomic::{AtomicU8, Ordering};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdin = 0,
    Stdout = 1,
}

/// One bit per stream.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// The loader runs this before the runtime checks the streams.
#[used]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    for stream in [Stream::Stdin, Stream::Stdout] {
        // SAFETY: F_GETFD only asks whether a number is an open file descriptor, and is valid for any number.
        if unsafe { libc::fcntl(stream as i32, libc::F_GETFD) } == -1 {
            CLOSED.fetch_or(1 << stream as u8, Ordering::Relaxed);
        }
    }
}

pub fn was_closed(stream: Stream) -> bool {
    CLOSED.load(Ordering::Relaxed) & (1 << stream as u8) != 0
}
