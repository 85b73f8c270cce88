//! [`SealError`]: why two sides do not come to a sealed link.

use std::io;

use thiserror::Error;

use super::content_hash::ContentHash;
use crate::bytes::link_error::LinkError;

/// A handshake has failed.
///
/// ```
/// use procession_core::{SealError, SealedControl};
/// use std::{os::unix::net::UnixStream, time::Instant};
///
/// let (here, _silent) = UnixStream::pair()?;
/// let error = SealedControl::respond(here.try_clone()?.into(), here.into(), &[7; 32], Some(Instant::now()));
/// assert!(matches!(error, Err(SealError::TimedOut)));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The other side proved no knowledge of the key.
    #[error("the other side does not know the key, or its bytes were altered on the way; give both sides the same key")]
    Key,
    /// The other side has closed the connection.
    #[error(
        "the other side closed the connection during the handshake: it has another key or gave up, as its own error says"
    )]
    Closed,
    /// The deadline has passed.
    #[error("the other side has not finished the handshake in time")]
    TimedOut,
    /// The other side speaks another version of the protocol.
    #[error(
        "the other side speaks version {peer} of the protocol and this one version {own}; build both from the same procession"
    )]
    Version {
        /// The version of this side.
        own: u32,
        /// The version of the other side.
        peer: u32,
    },
    /// The other side runs another executable.
    #[error(
        "the other side runs another executable (sha256 {peer}) than this one (sha256 {own}); copy one executable to both hosts"
    )]
    Executable {
        /// The hash of this side's executable.
        own: ContentHash,
        /// The hash of the other side's executable.
        peer: ContentHash,
    },
    /// The executable of this process cannot be read.
    #[error("cannot hash the executable of this process: {0}")]
    Unreadable(io::Error),
    /// The connection failed.
    #[error(transparent)]
    Link(#[from] LinkError),
}
