//! Workers on other hosts, as the pool holds them: an agent on each host starts them and has their rings.

pub(crate) mod connection;
pub(crate) mod host_lives;
pub(crate) mod launcher;
pub(crate) mod launching;
pub(crate) mod remote_host;
pub(crate) mod remote_hosts;
pub(crate) mod remote_worker;
