//! [`Case`]: one test of the lab.

use crate::failure::Failure;
use crate::lab::cluster::Cluster;

/// One test.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// Whether it is one of those that run at each change.
    pub(super) is_short: bool,
    pub(super) run: fn(&Cluster) -> Result<(), Failure>,
}
