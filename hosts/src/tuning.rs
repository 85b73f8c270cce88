//! The numbers that were chosen. Each says its unit, and what another value does.

use std::time::Duration;

/// Time within which a host's launcher, its staging and its handshake must have ended. A larger value waits longer for a host that never
/// comes; a smaller one gives a busy batch system up.
pub(crate) const LAUNCH_TIMEOUT: Duration = Duration::from_secs(60);

/// Time that an agent tries to reach its driver directly before it takes its standard streams. A larger value delays hosts behind a
/// firewall; a smaller one sends slow networks through the launcher, which is four times slower.
pub(crate) const REACH_TIMEOUT: Duration = Duration::from_secs(1);

/// Time for the handshake of an agent, whose driver may be hashing its executable for the first time. A larger value delays the next
/// way to reach the driver; a smaller one refuses agents on slow hosts.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that have not proved to know the key, at most. The oldest that has not shown it makes room. A larger number costs
/// descriptors and 100 bytes each under attack; a smaller one lets fewer strangers push an honest agent out.
pub(crate) const MAX_STRANGERS: usize = 64;

/// Time for which a connection may stay without that proof. A larger value keeps strangers longer; a smaller one refuses agents on slow
/// links.
pub(crate) const STRANGER_TIMEOUT: Duration = Duration::from_secs(5);

/// Time that the last words of a launcher are waited for once it has ended. A larger value delays the error where a process in the
/// background holds the stream open; a smaller one may lose them.
pub(crate) const LAST_WORDS_TIMEOUT: Duration = Duration::from_millis(500);

/// Time that a launcher gets to end by itself after its agent has left, before it gets SIGTERM, and once more before SIGKILL. A larger
/// value leaves a hung launcher longer; a smaller one kills those that are still cleaning up.
pub(crate) const LAUNCHER_EXIT_TIMEOUT: Duration = Duration::from_secs(2);

/// Time that an invited agent waits for its invitation. Staging does not count. A larger value leaves an agent longer whose driver was
/// cut off at that moment; a smaller one may give up under a busy launcher.
pub(crate) const INVITATION_TIMEOUT: Duration = Duration::from_secs(60);

/// Time for which an agent that comes by itself tries to reach its driver. A larger value keeps it waiting for a driver that has ended; a
/// smaller one gives up before a slow driver listens.
pub(crate) const JOIN_TIMEOUT: Duration = Duration::from_secs(60);

/// Pause between two attempts to join. A larger value joins later; a smaller one sends more connections to a driver that is not there.
pub(crate) const JOIN_PAUSE: Duration = Duration::from_millis(500);

/// Lease of hosts whose program chooses none. A larger value has tasks of a lost host wait longer; a smaller one loses hosts whose network
/// or memory is overloaded for a few seconds.
pub(crate) const DEFAULT_LEASE: Duration = Duration::from_secs(10);

/// Agents that come by themselves, at most at the same time, where the program chooses no number. Each free place costs a sleeping thread. A larger
/// number lets more come; a smaller one refuses some of a large set of containers.
pub(crate) const DEFAULT_MAX_HOSTS: usize = 32;
