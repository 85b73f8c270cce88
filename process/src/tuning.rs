//! The numbers that were chosen and not derived, each with what another value would do.

use std::time::Duration;

/// How long a daemon may take to end at the exit of its parent before it is killed. A smaller value kills daemons that clean up, a larger
/// one delays the exit.
pub(crate) const DAEMON_EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the exit waits for a child before it prints that. A smaller value prints it for children that are about to end, a larger one
/// leaves the user wondering.
pub(crate) const SILENT_WAIT: Duration = Duration::from_secs(1);

/// How long a new process may take to reach `init`. A smaller value fails on a loaded machine; a larger one lets a program that never calls
/// `init` hang for longer.
pub(crate) const MAX_START_TIME: Duration = Duration::from_secs(30);

/// After how long a silent server is checked for being stopped. Nearly every start takes less than a hundredth of it. A smaller value checks
/// slow starts for nothing, a larger one waits longer for a stopped server.
pub(crate) const STOPPED_CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// How long a child that did not start may take to exit before it is killed. It only has to exit. A smaller value kills one whose exit
/// handlers still run, a larger one holds up the caller for one that hangs in them.
pub(crate) const FAILED_EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the end of a killed child is waited for before it is left to a later start. It takes microseconds, but a child that hangs in
/// the kernel ends when that has an answer. A smaller value leaves zombies behind under load, a larger one holds up the caller.
pub(crate) const KILLED_EXIT_TIMEOUT: Duration = Duration::from_secs(1);
