//! Reads whole files with settings and secrets. They must be plain files: a named pipe or a device could block the
//! reader forever or use up all memory.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// Maximum size, far more than any certificate chain or settings file needs.
const MAX_BYTES: u64 = 1 << 20;

/// Reads the file's bytes, which are wiped when they are dropped. Links are followed.
pub fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // The type is checked before the file is opened, because opening some devices has side effects, and again
    // afterwards, because the file may have been replaced.
    must_be_plain(fs::metadata(path)?.file_type())?;
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    must_be_plain(file.metadata()?.file_type())?;
    read_bounded(file)
}

fn read_bounded(file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    let length = file.metadata()?.len();
    let too_long = || io::Error::other("it is larger than 1 MiB. Choose another file");
    if length > MAX_BYTES {
        return Err(too_long());
    }
    // The buffer has its full capacity from the start, because growing it would leave a part of a secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length as usize + 1));
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES { Err(too_long()) } else { Ok(bytes) }
}

fn must_be_plain(found: FileType) -> io::Result<()> {
    let what = match () {
        () if found.is_file() => return Ok(()),
        () if found.is_dir() => "a folder",
        () if found.is_fifo() => "a named pipe",
        () if found.is_socket() => "a socket",
        () => "a device",
    };
    Err(io::Error::other(format!("it is {what}, not a file. Choose another file")))
}
