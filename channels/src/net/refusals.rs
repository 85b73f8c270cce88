//! [`Refusal`]: a connection that a listener did not accept.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::{Mutex, Once};

use procession_core::os::mutex::lock;

use super::address::Address;
use super::error::HandshakeError;
use crate::tuning::MAX_REFUSALS;

/// A connection that a [`Listener`](crate::Listener) did not accept, and why.
///
/// # Examples
///
/// ```
/// use procession_channels::{Address, Client, HandshakeError, Listener};
/// use std::time::Duration;
///
/// let listener = Listener::bind("@".parse::<Address>()?, "the key")?;
/// std::thread::scope(|s| {
///     s.spawn(|| Client::connect(listener.address(), "another key").unwrap_err());
///     while listener.refused() == 0 {
///         assert!(listener.accept_timeout(Duration::from_millis(10)).unwrap().is_none());
///     }
/// });
/// assert!(matches!(listener.take_refusals()[0].error, HandshakeError::WrongKey));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// Where it came from, if that has a name.
    pub peer: Option<Address>,
    /// Why it was not accepted.
    pub error: HandshakeError,
}

/// The connections that were not accepted: their number, and the latest.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<(u64, VecDeque<Refusal>)>);

impl Refusals {
    pub(super) fn count(&self) -> u64 {
        lock(&self.0).0
    }

    pub(super) fn take(&self) -> Vec<Refusal> {
        lock(&self.0).1.drain(..).collect()
    }

    pub(super) fn add(&self, peer: Option<Address>, error: HandshakeError) {
        if matches!(error, HandshakeError::Legacy) {
            warn_about_legacy_peer(peer.as_ref());
        }
        let mut locked = lock(&self.0);
        let (count, latest) = &mut *locked;
        *count += 1;
        // The oldest goes: the latest say most about what goes on.
        if latest.len() == MAX_REFUSALS {
            latest.pop_front();
        }
        latest.push_back(Refusal { peer, error });
    }
}

/// Prints once why a program of an old Python is not accepted: its own error says that the key is wrong, and `accept` waits in silence.
fn warn_about_legacy_peer(peer: Option<&Address>) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let from = peer.map_or_else(String::new, |peer| format!(" from {peer}"));
        let text = format!(
            "procession: a connection{from} was refused, because it authenticates with MD5, as Python before 3.12 does: allow that \
             with `Listener::builder().legacy(true)`, or update it. (`take_refusals` returns each; this is printed once.)\n"
        );
        let _nobody_reads_it = io::stderr().write_all(text.as_bytes());
    });
}
