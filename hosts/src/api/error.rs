//! [`HostsError`]: a list of hosts that cannot be used.

use std::io;
use std::path::PathBuf;

use crate::spec::spec_error::SpecError;

/// The variables that name hosts, in the order in which they are asked.
const VARIABLES: &str = "PROCESSION_HOSTS, SLURM_JOB_NODELIST, PBS_NODEFILE and LSB_DJOB_HOSTFILE";

/// The error of a list of hosts. Hosts that cannot be reached are errors of the pool instead.
///
/// ```
/// use procession_hosts::{Hosts, HostsError};
///
/// # fn main() {
/// // Outside of a batch system, and without `PROCESSION_HOSTS`:
/// let error = Hosts::from_env().unwrap_err();
/// assert!(matches!(error, HostsError::NoList));
/// assert!(error.to_string().contains("set PROCESSION_HOSTS"));
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostsError {
    /// [`init`](crate::init) of this crate was not called in this program.
    #[error(
        "cannot use hosts: this program has not called the `init` of the crate for hosts, so that agents would not know themselves; call `procession_hosts::init()` (`procession::init()` with the feature `hosts`) first in `main`"
    )]
    NotInitialized,
    /// The environment names no hosts.
    #[error(
        "cannot find a list of hosts: none of {VARIABLES} is set; set PROCESSION_HOSTS=node1,node2:16 or use `Hosts::ssh`"
    )]
    NoList,
    /// A list without a host.
    #[error("the list of hosts is empty; name at least one host, or use `local`")]
    Empty,
    /// A command line that starts no agent.
    #[error("the command line `{template}` starts no agent; write `{{agent}}` where its shell is to run it")]
    NoAgent {
        /// The command line.
        template: String,
    },
    /// A text that names no host.
    #[error("{0}")]
    Malformed(String),
    /// The file to which a variable leads cannot be read.
    #[error("cannot read {}, to which {variable} leads", path.display())]
    Unreadable {
        /// The variable.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// The file with the key cannot be used.
    #[error("cannot use the key file {}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why it cannot be used.
        source: io::Error,
    },
    /// No agent can be listened for.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why not.
        source: io::Error,
    },
}

impl From<SpecError> for HostsError {
    fn from(error: SpecError) -> HostsError {
        HostsError::Malformed(error.to_string())
    }
}
