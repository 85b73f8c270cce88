//! [`Waitable`]: things of which several can be waited for at once.

use std::fs::File;
use std::io::{PipeReader, Stdin};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{ChildStderr, ChildStdout};

use crate::os::poll::Pollable;

/// Something that becomes ready, and shows it by a descriptor that becomes readable.
///
/// Processes, receivers, connections and listeners are such things, and so are the descriptors of std. What is an
/// [`AsFd`] of another crate is waited for through its `as_fd()`, which is waitable itself.
///
/// ```
/// use procession_core::Waitable;
///
/// let (reader, writer) = std::io::pipe()?;
/// assert_eq!(reader.arm(), None, "only the kernel knows");
/// # drop(writer);
/// # std::io::Result::Ok(())
/// ```
pub trait Waitable {
    /// What to wait for: a descriptor that is readable while this is ready, once it was [armed](Self::arm). It serves for waiting and for
    /// nothing else, because it may be one that only its owner may read from.
    fn pollable(&self) -> Pollable<'_>;

    /// For things whose state is in shared memory: has the descriptor tell when this becomes ready from now on, and returns
    /// whether it is ready already. A descriptor that was readable all the same proves nothing: then arm and look.
    ///
    /// `None`, which is the default, where the descriptor alone shows it.
    fn arm(&self) -> Option<bool> {
        None
    }

    /// Returns whether it could not be [armed](Self::arm) the last time, because another process was in the way and takes its time: it may
    /// have been stopped. The descriptor may not show it then, so the waiting thread looks again before long.
    fn is_unsure(&self) -> bool {
        false
    }
}

impl<T: Waitable + ?Sized> Waitable for &T {
    fn pollable(&self) -> Pollable<'_> {
        (**self).pollable()
    }

    fn arm(&self) -> Option<bool> {
        (**self).arm()
    }

    fn is_unsure(&self) -> bool {
        (**self).is_unsure()
    }
}

/// The descriptor is all that there is.
macro_rules! waitable {
    ($($kind:ty),+ $(,)?) => {$(
        impl Waitable for $kind {
            fn pollable(&self) -> Pollable<'_> {
                Pollable::readable(self.as_fd())
            }
        }
    )+};
}

waitable!(
    BorrowedFd<'_>,
    ChildStderr,
    ChildStdout,
    File,
    OwnedFd,
    PipeReader,
    Stdin,
    TcpListener,
    TcpStream,
    UdpSocket,
    UnixDatagram,
    UnixListener,
    UnixStream,
);
