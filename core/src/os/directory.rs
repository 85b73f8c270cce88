//! The working directory, as the place that it is and not as its name, which may lead elsewhere by now, or nowhere.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use nix::libc;

use super::descriptors::above_standard;

/// Which directory this process works in: its device and number, which stay its own while anybody works there.
///
/// # Errors
///
/// It may not be looked at.
///
/// ```
/// use procession_core::os::directory::current;
///
/// let before = current()?;
/// std::env::set_current_dir("/")?;
/// assert_ne!(before, current()?);
/// # std::io::Result::Ok(())
/// ```
pub fn current() -> io::Result<(u64, u64)> {
    fs::metadata(".").map(|here| (here.dev(), here.ino()))
}

/// A descriptor of the working directory, for [`enter`] and nothing else.
///
/// # Errors
///
/// It may not be entered, or the limit on descriptors.
///
/// ```
/// let here = procession_core::os::directory::open()?;
/// # std::io::Result::Ok(())
/// ```
pub fn open() -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    above_standard(File::options().read(true).custom_flags(flags).open(".")?.into())
}

/// Makes it the working directory of this process.
///
/// # Errors
///
/// It may not be entered.
///
/// ```
/// use procession_core::os::directory::{current, enter, open};
///
/// let (here, before) = (open()?, current()?);
/// std::env::set_current_dir("/")?;
/// enter(&here)?;
/// assert_eq!(current()?, before);
/// # std::io::Result::Ok(())
/// ```
pub fn enter(directory: impl AsFd) -> io::Result<()> {
    Ok(nix::unistd::fchdir(directory)?)
}
