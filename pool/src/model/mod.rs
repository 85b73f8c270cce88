//! Plain types that every other room uses: identifiers, options, errors, statistics, constants.

pub(crate) mod catch;
pub(crate) mod counted_condvar;
pub(crate) mod failure_info;
pub(crate) mod failure_policy;
pub(crate) mod histogram;
pub(crate) mod ids;
pub(crate) mod init_failure;
pub(crate) mod options;
pub(crate) mod pool_error;
pub(crate) mod stats;
pub(crate) mod task_error;
#[cfg_attr(not(feature = "tracing"), path = "no_trace.rs")]
pub(crate) mod trace;
pub(crate) mod tuning;
