//! A file that is this user's alone: opened without following a link, and believed only after a look at it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::libc;
use nix::unistd::geteuid;

/// Opens a regular file of this user's for reading and writing, which no other user may open; with `create`, makes it where it is missing.
///
/// In a folder that all users write to, such as `/dev/shm`, another user may have put anything under the name: a link to a file of
/// this user's, a pipe, a file that he can lock. None of these is opened, or it is refused before anything is read or written.
///
/// # Errors
///
/// [`NotFound`](io::ErrorKind::NotFound) where it is missing, [`PermissionDenied`](io::ErrorKind::PermissionDenied) for what another user
/// has put there, and whatever else opening a file can fail with.
///
/// ```
/// use procession_core::os::own_file;
///
/// let path = std::env::temp_dir().join(format!("procession-own-{}", std::process::id()));
/// assert!(own_file::open(&path, false).is_err());
/// assert!(own_file::open(&path, true)?.metadata()?.is_file());
/// std::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn open(path: &Path, create: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).truncate(false).mode(0o600);
    // A pipe or a device would be waited for.
    let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path).map_err(|error| {
        let is_link = error.raw_os_error() == Some(libc::ELOOP);
        if is_link { refused("it is a symbolic link") } else { error }
    })?;
    // The open file is looked at and not its path, which may name another file a moment later.
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(refused("it is not a regular file"));
    }
    if about.uid() != geteuid().as_raw() {
        return Err(refused("it belongs to another user"));
    }
    if about.mode() & 0o077 != 0 {
        return Err(refused("other users may open it"));
    }
    Ok(file)
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("{why}, remove it or use another name"))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn refusal(path: &Path) -> String {
        let error = open(path, true).expect_err("it must not be opened");
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        error.to_string()
    }

    #[test]
    fn what_another_user_may_have_put_there_is_refused() {
        let folder = std::env::temp_dir().join(format!("procession-own-file-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = |name: &str| folder.join(name);

        std::fs::write(path("treasure"), "precious").expect("a file");
        symlink(path("treasure"), path("link")).expect("a link");
        assert!(refusal(&path("link")).contains("symbolic link"));
        assert_eq!(std::fs::read(path("treasure")).expect("it is there"), b"precious");

        std::fs::set_permissions(path("treasure"), Permissions::from_mode(0o666)).expect("it is mine");
        assert!(refusal(&path("treasure")).contains("other users"));

        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        assert!(refusal(&path("pipe")).contains("regular"));

        if geteuid().is_root() {
            std::fs::write(path("theirs"), "").expect("a file");
            std::os::unix::fs::chown(path("theirs"), Some(65534), None).expect("root may");
            assert!(refusal(&path("theirs")).contains("another user"));
        }
        std::fs::remove_dir_all(&folder).expect("it was made here");
    }
}
