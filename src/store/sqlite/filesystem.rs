//! Detects the database's file system. On a file system that other machines share or that a program implements,
//! SQLite's locks and shared memory do not work: a revocation would not be seen, and two servers could damage the file.

use std::path::Path;

use super::files::trouble;
use crate::error::{Error, Result};

/// `f_type` of statfs(2) and the common name.
const SHARED: [(u64, &str); 17] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "SMB (CIFS)"),
    (0xfe53_4d42, "SMB"),
    (0x0102_1997, "9p"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x00c3_6400, "Ceph"),
    (0x564c, "NCP"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x4750_4653, "GPFS"),
    (0x786f_4256, "a VirtualBox shared folder"),
    (0xbacb_acbc, "a VMware shared folder"),
    // sshfs, virtiofs, cloud drives. Local ones (ntfs-3g, mergerfs) cannot be distinguished from them.
    (0x6573_5546, "FUSE"),
];

/// The name of the file system of `path` if it is one of these; `None` for local ones.
#[cfg(target_os = "linux")]
pub(super) fn shared(path: &Path) -> Result<Option<&'static str>> {
    let found = rustix::fs::statfs(path).map_err(|error| trouble(path, "cannot be reached", error))?;
    // The type is signed on some machines; the numbers have 32 bits on all.
    Ok(name(found.f_type as u64 & 0xffff_ffff))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn shared(_path: &Path) -> Result<Option<&'static str>> {
    Ok(None)
}

fn name(kind: u64) -> Option<&'static str> {
    SHARED.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

pub(super) fn refusal(path: &Path, name: &str) -> Error {
    Error::conflict(format!(
        "{} is on {name}, a network file system or one that looks the same: locks and shared memory do not work \
         there, so revocations would not be seen and the database could be damaged. Nothing was changed. Move it to \
         a local disk, or, if only this machine ever uses it, start with --allow-network-filesystem.",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_and_local_ones_are_fine() {
        for (kind, expected) in [
            (0x6969, Some("NFS")),
            (0xff53_4d42, Some("SMB (CIFS)")),
            (0x6573_5546, Some("FUSE")),
            (0x0102_1997, Some("9p")),
            (0x5346_414f, Some("AFS")),
            (0x00c3_6400, Some("Ceph")),
        ] {
            assert_eq!(name(kind), expected);
        }
        // overlayfs, tmpfs, ext4, XFS, btrfs, ZFS, bcachefs, F2FS
        for kind in [0x794c_7630, 0x0102_1994, 0xef53, 0x5846_5342, 0x9123_683e, 0x2fc1_2fc1, 0xca45_1a4e, 0xf2f5_2010]
        {
            assert_eq!(name(kind), None, "{kind:x}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_kind_of_file_system_is_read_from_the_system() {
        assert_eq!(shared(Path::new("/proc")).unwrap(), None);
        let shared_memory = Path::new("/dev/shm");
        if shared_memory.is_dir() {
            assert_eq!(shared(shared_memory).unwrap(), None, "tmpfs");
        }
        assert!(shared(Path::new("/no/such/folder")).is_err());
    }
}
