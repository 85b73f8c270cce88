//! [`BoundSocket`]: the socket that a listener listens on, and its file, which it removes.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr};
use procession_core::os::descriptors::above_standard;

use super::address::Address;
use crate::tuning::FOLDER_LOCK_TIMEOUT;

/// A listening socket that never blocks.
#[derive(Debug)]
pub(super) struct BoundSocket {
    socket: Socket,
    address: Address,
    /// Unlinks the file when it is dropped, after the socket.
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl BoundSocket {
    pub(super) fn bind(address: &Address, backlog: Backlog, mode: Option<u32>) -> io::Result<BoundSocket> {
        let (socket, address, file) = match address {
            Address::Tcp(wanted) => {
                let socket = TcpListener::from(above_standard(TcpListener::bind(wanted)?.into())?);
                // std has chosen a length of its own. The second call changes nothing but the length of the queue.
                socket::listen(&socket, backlog)?;
                let address = Address::Tcp(socket.local_addr()?);
                (Socket::Tcp(socket), address, None)
            }
            Address::Abstract(name) => {
                let name = if name.is_empty() { UnixAddr::new_unnamed() } else { UnixAddr::new_abstract(name)? };
                let socket = listen(&name, backlog, None)?;
                let address = own_name(&socket)?;
                (Socket::Unix(socket), address, None)
            }
            Address::Unix(path) => {
                let socket = listen_at_path(path, backlog, mode)?;
                if let Some(mode) = mode {
                    // Once more, because the umask has taken bits away.
                    fs::set_permissions(path, Permissions::from_mode(mode))?;
                }
                let file = SocketFile::of(path)?;
                (Socket::Unix(socket), address.clone(), Some(file))
            }
        };
        // Readiness comes from `epoll`, and another process may accept the connection in between.
        match &socket {
            Socket::Unix(socket) => socket.set_nonblocking(true)?,
            Socket::Tcp(socket) => socket.set_nonblocking(true)?,
        }
        Ok(BoundSocket { socket, address, _file: file })
    }

    /// Returns the address, with what the kernel chose.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Accepts the next connection, if there is one.
    pub(super) fn accept(&self) -> io::Result<OwnedFd> {
        match &self.socket {
            Socket::Unix(socket) => above_standard(socket.accept()?.0.into()),
            Socket::Tcp(socket) => {
                let stream = socket.accept()?.0;
                // Every message is written at once, so waiting for more of it only delays.
                stream.set_nodelay(true)?;
                above_standard(stream.into())
            }
        }
    }
}

impl AsFd for BoundSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Unix(socket) => socket.as_fd(),
            Socket::Tcp(socket) => socket.as_fd(),
        }
    }
}

/// A socket file that this process has made.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    file: (u64, u64),
    creator: u32,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<SocketFile> {
        let path = std::path::absolute(path)?;
        let file = identity(&path)?;
        Ok(SocketFile { path, file, creator: std::process::id() })
    }
}

impl Drop for SocketFile {
    /// Unlinks the file, unless another file has its name or this is a forked copy of the process that made it.
    fn drop(&mut self) {
        if self.creator == std::process::id() && identity(&self.path).is_ok_and(|file| file == self.file) {
            // A file that is left behind is replaced by the next listener.
            let _unlinked = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Listens at a name. A file has this mode, without the bits of the umask, from the moment it exists.
fn listen(name: &UnixAddr, backlog: Backlog, mode: Option<u32>) -> io::Result<UnixListener> {
    let socket = socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let socket = File::from(above_standard(socket)?);
    if let Some(mode) = mode {
        // The kernel makes the file like the socket.
        socket.set_permissions(Permissions::from_mode(mode))?;
    }
    socket::bind(socket.as_raw_fd(), name)?;
    socket::listen(&socket, backlog)?;
    Ok(OwnedFd::from(socket).into())
}

fn own_name(socket: &UnixListener) -> io::Result<Address> {
    let name = socket.local_addr()?;
    Ok(Address::Abstract(name.as_abstract_name().unwrap_or_default().to_vec()))
}

/// Listens at a path, and replaces a dead socket there.
fn listen_at_path(path: &Path, backlog: Backlog, mode: Option<u32>) -> io::Result<UnixListener> {
    let name = UnixAddr::new(path)?;
    match listen(&name, backlog, mode) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_dead(path)? => {}
        result => return result,
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = File::open(parent)?;
    // Two listeners that find the same dead socket must not both replace it: the second would unlink the first one's.
    lock_within(&folder, FOLDER_LOCK_TIMEOUT)?;
    // Another process may have replaced it while this one waited for the lock.
    if !is_dead(path)? {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    fs::remove_file(path)?;
    listen(&name, backlog, mode)
}

/// Locks a folder until it is closed, or waits in vain until the timeout. A listener holds the lock for a moment; any other process that
/// may read the folder can hold it for ever, and must not prevent listening.
fn lock_within(folder: &File, timeout: Duration) -> io::Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(FOLDER_LOCK_TIMEOUT / 100),
        }
    }
}

/// Returns whether this is a socket that no process has any more.
fn is_dead(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(false);
    }
    let socket =
        socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, None)?;
    // Refused means that no process listens. A socket that is bound and does not listen yet refuses too.
    let refused = socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?) == Err(Errno::ECONNREFUSED);
    Ok(refused && !is_about_to_listen(path)?)
}

/// Returns whether a socket that refuses connections is bound to the path: its owner is about to listen.
fn is_about_to_listen(path: &Path) -> io::Result<bool> {
    let (file, last) = (identity(path)?, path.file_name());
    let table = fs::read("/proc/net/unix")?;
    let is_same = |line: &[u8]| {
        let Some(bound) = bound_path(line) else { return false };
        // A relative path cannot be resolved from here, so one of the same name counts.
        bound.file_name() == last && (bound.is_relative() || identity(bound).is_ok_and(|other| other == file))
    };
    Ok(table.split(|&byte| byte == b'\n').skip(1).any(is_same))
}

/// Returns the path in a line of the kernel's table of sockets, if the socket is bound and not connected.
fn bound_path(line: &[u8]) -> Option<&Path> {
    let mut rest = line;
    let mut state: &[u8] = b"";
    // The path is the eighth column; the sixth is the state. Accepted connections bear the path too.
    for column in 1..=7 {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|&byte| byte == b' ')?;
        if column == 6 {
            state = &rest[..end];
        }
        rest = &rest[end + 1..];
    }
    (state == b"01").then(|| Path::new(OsStr::from_bytes(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_the_table_of_sockets() {
        let bound = b"00000000aaad3600: 00000002 00000000 00010000 0001 01  1516 /run/a b";
        assert_eq!(bound_path(bound), Some(Path::new("/run/a b")));
        let accepted = b"00000000aaad3600: 00000003 00000000 00000000 0001 03 151600 /run/a";
        assert_eq!(bound_path(accepted), None);
        for other in [&b"00000000aaad3600: 00000003 00000000 00000000 0001 01  1516"[..], b"", b"1 2 3"] {
            assert_eq!(bound_path(other), None);
        }
    }

    #[test]
    fn a_socket_that_is_about_to_listen_is_not_dead() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        socket::bind(socket.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        assert!(!is_dead(&path).unwrap());
        drop(socket);
        assert!(is_dead(&path).unwrap());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "no socket").unwrap();
        assert!(!is_dead(&path).unwrap());
    }
}
