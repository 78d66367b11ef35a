//! The file of a Unix socket: created with exactly its mode, replaced if its server is gone, and removed when this
//! server stops. Any other file stays as it is.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::tcp_address::BACKLOG;

/// How often, and how many times, to ask for the turn of opening a socket in a directory.
const PAUSE: Duration = Duration::from_millis(10);
const TRIES: usize = 200;

/// A socket's file, which is removed when this is dropped, unless another one has taken its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

impl SocketFile {
    /// Binds a socket and listens on it. An error says why that failed, and how to proceed.
    pub fn bind(path: &Path, mode: u32) -> Result<(UnixListener, Self), String> {
        let _turn = Turn::take(path);
        let listener = match listen(path, mode) {
            Err(Errno::ADDRINUSE) => {
                remove_leftover(path)?;
                listen(path, mode)
            }
            outcome => outcome,
        };
        let listener = listener.map_err(|error| reason(path, error))?;
        let found = fs::symlink_metadata(path).map_err(|error| reason(path, error))?;
        Ok((listener, SocketFile { path: path.to_owned(), id: (found.dev(), found.ino()) }))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.id);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the socket's file cannot be removed; the next start replaces it");
        }
    }
}

fn reason(path: &Path, error: impl Into<io::Error>) -> String {
    let (error, directory) = (error.into(), directory(path).display());
    match error.kind() {
        ErrorKind::NotFound => format!("the directory {directory} does not exist. Create it"),
        ErrorKind::PermissionDenied => {
            format!("this user must not create files in {directory}. Let it write to that directory")
        }
        _ => format!("{error}. Solve that"),
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn address(path: &Path) -> Result<SocketAddrUnix, Errno> {
    SocketAddrUnix::new(path)
}

fn socket() -> Result<std::os::fd::OwnedFd, Errno> {
    rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )
}

/// The file has the mode from the beginning, so that nobody can connect in between. Meanwhile other threads may create
/// files; ours set a mode themselves, and never need the umask.
fn listen(path: &Path, mode: u32) -> Result<UnixListener, Errno> {
    let (socket, address) = (socket()?, address(path)?);
    let before = rustix::process::umask(Mode::from_raw_mode(!mode & 0o777));
    let bound = rustix::net::bind(&socket, &address);
    rustix::process::umask(before);
    bound?;
    if let Err(error) = rustix::net::listen(&socket, BACKLOG) {
        let _ = fs::remove_file(path); // it was created here, and the error is reported
        return Err(error);
    }
    Ok(socket.into())
}

/// Removes the file if it is a socket on which nobody listens any more.
fn remove_leftover(path: &Path) -> Result<(), String> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(reason(path, error)),
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => return Err("there is a file that is not a socket, which is never replaced. Move it away".to_owned()),
    }
    let connected = socket().and_then(|socket| rustix::net::connect(&socket, &address(path)?));
    match connected {
        Err(Errno::CONNREFUSED) => {
            tracing::info!(path = %path.display(), "nobody listens on the socket that is there; it is replaced");
            fs::remove_file(path).map_err(|error| reason(path, error))
        }
        Err(Errno::NOENT) => Ok(()),
        // Its queue is full, or it is a socket of another type.
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => {
            Err("another program already listens there. Stop it".to_owned())
        }
        Err(error) => Err(format!(
            "a socket is there, and whether a program listens on it cannot be found out: {}. Remove it",
            io::Error::from(error)
        )),
    }
}

/// Keeps out other servers that are about to open a socket in the same directory: one that has bound its socket and does
/// not listen yet looks like one that is gone.
struct Turn(#[expect(dead_code, reason = "it is held")] Option<File>);

impl Turn {
    /// Continues without it if the directory cannot be read, or if somebody keeps it locked.
    fn take(path: &Path) -> Self {
        let Ok(directory) = File::open(directory(path)) else { return Turn(None) };
        for _ in 0..TRIES {
            match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => std::thread::sleep(PAUSE),
                outcome => return Turn(outcome.ok().map(|()| directory)),
            }
        }
        Turn(None)
    }
}
