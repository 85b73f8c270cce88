//! Which hosts, from texts of users and batch systems: pure.

pub(crate) mod host_spec;
pub(crate) mod node_file;
pub(crate) mod quote;
pub(crate) mod slurm_nodes;
pub(crate) mod spec_error;
