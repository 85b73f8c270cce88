//! How an agent is started on a host: by a program that others have written, one process for each host.

pub(crate) mod command_line;
pub(crate) mod conversation;
pub(crate) mod launcher;
pub(crate) mod launcher_process;
pub(crate) mod listening;
pub(crate) mod method;
pub(crate) mod stderr_tail;
