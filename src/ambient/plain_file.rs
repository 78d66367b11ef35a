//! Files of settings and secrets, read whole. Only plain files: a named pipe or a device could keep the reader for
//! ever or fill the memory.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// No certificate chain and no settings file comes near it.
const MOST: u64 = 1 << 20;

/// The file's bytes, wiped when they are dropped. Links are followed.
pub fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // Before it is opened, since opening some devices does something; and after, since it may have been replaced.
    must_be_plain(fs::metadata(path)?.file_type())?;
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    must_be_plain(file.metadata()?.file_type())?;
    read_bounded(file)
}

fn read_bounded(file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    let length = file.metadata()?.len();
    let too_long = || io::Error::other("it is larger than 1 MiB. Name another file");
    if length > MOST {
        return Err(too_long());
    }
    // At once as long as it gets, so that no part of a secret stays behind when the buffer grows.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length as usize + 1));
    file.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST { Err(too_long()) } else { Ok(bytes) }
}

fn must_be_plain(found: FileType) -> io::Result<()> {
    let what = match () {
        () if found.is_file() => return Ok(()),
        () if found.is_dir() => "a folder",
        () if found.is_fifo() => "a named pipe",
        () if found.is_socket() => "a socket",
        () => "a device",
    };
    Err(io::Error::other(format!("it is {what}, not a file. Name a file")))
}
