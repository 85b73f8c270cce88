//! The hosts of pools for which none were named.

use std::sync::OnceLock;

use crate::remote::launcher::HostSet;

/// Makes the hosts of a pool with this many workers.
type MakeHosts = fn(usize) -> HostSet;

static DEFAULT: OnceLock<MakeHosts> = OnceLock::new();

/// Gives every pool of this process that names no hosts those that `make` returns for its number of workers. The first call counts.
///
/// It is for tests of what should be the same on other hosts.
pub fn set_default_hosts(make: fn(usize) -> HostSet) {
    let _is_first = DEFAULT.set(make);
}

/// Returns the hosts of a pool that names none.
pub(super) fn default_hosts(workers: usize) -> Option<HostSet> {
    // A pool without workers is refused for that, and not for a set of hosts that it did not name.
    DEFAULT.get().filter(|_| workers > 0).map(|make| make(workers))
}

/// Returns the number of workers that these hosts are to have, as far as known.
pub(super) fn workers_of(hosts: &HostSet) -> usize {
    let remote: usize = hosts.launchers.iter().map(|launcher| launcher.workers().unwrap_or(1)).sum();
    remote.saturating_add(hosts.local_workers)
}
