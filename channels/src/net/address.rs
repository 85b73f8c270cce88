//! [`Address`]: where a listener listens.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nix::sys::socket::{AddressFamily, SockaddrLike, SockaddrStorage};

/// The address at which a [`Listener`](crate::Listener) listens and a [`Client`](crate::Client) connects.
///
/// Written as `/a/path` or `./path` (any text with a slash), `@name` for a name in Linux's abstract space, `127.0.0.1:80` or
/// `[::1]:80`.
///
/// # Examples
///
/// ```
/// use procession_channels::Address;
/// use std::net::Ipv4Addr;
///
/// assert_eq!("127.0.0.1:5000".parse::<Address>()?, Address::from((Ipv4Addr::LOCALHOST, 5000)));
/// assert_eq!("/run/jobs".parse::<Address>()?, Address::Unix("/run/jobs".into()));
/// assert_eq!("@jobs".parse::<Address>()?, Address::Abstract(b"jobs".to_vec()));
/// assert!("jobs".parse::<Address>().is_err());
/// # Ok::<(), procession_channels::AddressError>(())
/// ```
#[doc(alias = "AF_UNIX")]
#[doc(alias = "AF_INET")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A socket file. A process that may write to it may connect, so put it into a directory of your own.
    Unix(PathBuf),
    /// A name in Linux's abstract space, which is no file. Everybody on the machine may connect. With an empty name a listener
    /// gets one that is free.
    Abstract(Vec<u8>),
    /// An internet address and a TCP port. With port 0 a listener gets one that is free.
    Tcp(SocketAddr),
}

impl Address {
    /// Looks a host name up, and returns the first of its addresses.
    ///
    /// # Errors
    ///
    /// The error of the resolver, or [`NotFound`](io::ErrorKind::NotFound) if the name has no address.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_channels::Address;
    ///
    /// assert_eq!(Address::resolve("127.0.0.1", 80)?, "127.0.0.1:80".parse()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resolve(host: &str, port: u16) -> io::Result<Address> {
        // The resolver sorts the addresses by preference.
        let first = (host, port).to_socket_addrs()?.next();
        let none = || io::Error::new(io::ErrorKind::NotFound, format!("the host {host} has no address"));
        first.map(Address::Tcp).ok_or_else(none)
    }

    /// Returns where the other end of a connected socket is, if that has a name.
    pub(super) fn of_peer(socket: impl AsFd) -> Option<Address> {
        let storage: SockaddrStorage = nix::sys::socket::getpeername(socket.as_fd().as_raw_fd()).ok()?;
        match storage.family()? {
            AddressFamily::Inet => Some(Address::Tcp(std::net::SocketAddrV4::from(*storage.as_sockaddr_in()?).into())),
            AddressFamily::Inet6 => {
                Some(Address::Tcp(std::net::SocketAddrV6::from(*storage.as_sockaddr_in6()?).into()))
            }
            AddressFamily::Unix => {
                let unix = storage.as_unix_addr()?;
                let path = || unix.path().map(|path| Address::Unix(path.to_owned()));
                unix.as_abstract().map(|name| Address::Abstract(name.to_vec())).or_else(path)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) if path.as_os_str().as_bytes().contains(&b'/') => write!(f, "{}", path.display()),
            Address::Unix(path) => write!(f, "./{}", path.display()),
            Address::Abstract(name) => match str::from_utf8(name) {
                Ok(name) => write!(f, "@{name}"),
                Err(_) => write!(f, "@{}", name.escape_ascii()),
            },
            Address::Tcp(address) => address.fmt(f),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.strip_prefix('@') {
            Some(name) => Ok(Address::Abstract(name.into())),
            None if text.contains('/') => Ok(Address::Unix(text.into())),
            None => text.parse().map(Address::Tcp).map_err(|_| AddressError { text: text.into() }),
        }
    }
}

macro_rules! from {
    ($($from:ty: $make:expr;)*) => {$(
        impl From<$from> for Address {
            fn from(from: $from) -> Address {
                $make(from)
            }
        }
    )*};
}

from! {
    PathBuf: Address::Unix;
    &Path: |path: &Path| Address::Unix(path.into());
    SocketAddr: Address::Tcp;
    (IpAddr, u16): |address: (IpAddr, u16)| Address::Tcp(address.into());
    (Ipv4Addr, u16): |address: (Ipv4Addr, u16)| Address::Tcp(address.into());
    (Ipv6Addr, u16): |address: (Ipv6Addr, u16)| Address::Tcp(address.into());
    &Address: Address::clone;
}

/// A text is no [`Address`].
///
/// # Examples
///
/// ```
/// let error = "localhost:80".parse::<procession_channels::Address>().unwrap_err();
/// assert!(error.to_string().starts_with("`localhost:80` is no address"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no address: write /a/path, @name, 127.0.0.1:80 or [::1]:80, and look host names up with `Address::resolve`"
)]
pub struct AddressError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        for text in ["/run/x", "./x", "@", "@name with / and spaces", "127.0.0.1:0", "[::1]:65535"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!(Address::from(Path::new("x")).to_string(), "./x");
        for text in ["", "x", "localhost:1", "127.0.0.1", "::1:80"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
