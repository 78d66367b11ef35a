//! A commit waits for a file's data and not for its times: on a journaling file system for one write, not for two.
//!
//! SQLite calls `fdatasync` only if it was compiled with `HAVE_FDATASYNC`, and otherwise `fsync`. That flag can be given
//! to `libsqlite3-sys` by an environment variable alone, which some ways to build this program would not set. So the
//! program has an `fsync` of its own, which the linker prefers to the C library's. `File::sync_all` uses it, too.

use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, fstat};

/// `fsync(2)`, but for a plain file `fdatasync(2)`. A directory is synced in full: its new entries are no data to ext4.
#[cfg(target_os = "linux")]
#[unsafe(no_mangle)]
extern "C" fn fsync(file: libc::c_int) -> libc::c_int {
    if file < 0 {
        // SAFETY: the call takes any number; for this one it sets `errno` and returns -1.
        return unsafe { libc::fdatasync(file) };
    }
    // SAFETY: the caller keeps the file open during the call, as for the C library's function.
    let is_plain = fstat(unsafe { BorrowedFd::borrow_raw(file) })
        .is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::RegularFile);
    // SAFETY: both calls take any number, and report one that is not open in `errno`, as the caller expects.
    unsafe { if is_plain { libc::fdatasync(file) } else { libc::syscall(libc::SYS_fsync, file) as libc::c_int } }
}
