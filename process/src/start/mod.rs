//! Starting a child: three methods, one file each, and their common parts.
//!
//! | file | contents |
//! | --- | --- |
//! | `init` | the first line of `main`, where an executed child finds its link and leaves the program's own path |
//! | `spawn` | executes this program, and keeps its early stderr |
//! | `server`, `server_slot` | the start by the server, and the turns that callers take with it |
//! | `server_handle` | the parent's handle of the server |
//! | `serve` | the server's own side |
//! | `protocol` | the messages to an executed process, and between server and owner |
//! | `fork` | copies this process |
//! | `started` | the first report of a child, and the end of one that does not start |
//! | `deadline`, `lifeline` | the time limits of a start, and the pipe on whose end daemons are killed |

pub(crate) mod deadline;
mod fork;
pub(crate) mod init;
pub(crate) mod lifeline;
mod protocol;
mod serve;
mod server;
mod server_handle;
pub(crate) mod server_slot;
mod spawn;
mod started;

use crate::job::Job;
use crate::spawn_error::SpawnError;
use deadline::StartDeadline;
use started::Started;

/// How a process is started. All three give it exactly the descriptors that it was passed.
///
/// | method | how | cost, small parent |
/// | --- | --- | --- |
/// | `Server` | a helper, this program executed once more and kept at its first line, copies itself | 0.15 ms |
/// | `Spawn` | this program is executed once more | 0.8 ms |
/// | `Fork` | this process is copied | 0.1 ms, and much more for a large parent |
///
/// ```
/// use procession_process::{Process, StartMethod};
///
/// # procession_process::init();
/// for method in [StartMethod::Server, StartMethod::Spawn] {
///     let parent = Process::builder().start_method(method)
///         .spawn(|()| std::os::unix::process::parent_id(), ())?.join()?;
///     assert_eq!(parent, std::process::id());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "get_start_method")]
#[doc(alias = "get_all_start_methods")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartMethod {
    /// By a server process, which is started with the first child and again when it died. As clean as `Spawn` and five
    /// times as fast, whatever the size of this process and however many threads it has. From the first start on, this
    /// process has one more child, which sleeps, and seven more descriptors; [`stop_server`](crate::stop_server) gives
    /// them back.
    #[default]
    #[doc(alias = "forkserver")]
    Server,
    /// By executing this program for each child.
    #[doc(alias = "spawn")]
    Spawn,
    /// By copying this process with all its memory. Refused when it has more than one thread. Inherited objects that own
    /// a descriptor get errors from it (`EBADF`): only the descriptors that it was passed are open.
    #[doc(alias = "fork")]
    Fork,
}

/// Starts a child for the job.
/// When it returns, the child has reported that it is about to call its function. After an error the function has not run
/// and never will; the child was reaped, or is by the next start of the server.
pub(crate) fn start(method: StartMethod, job: &mut Job, deadline: StartDeadline) -> Result<Started, SpawnError> {
    started::reap_killed();
    if deadline.remaining().is_some_and(|remaining| remaining.is_zero()) {
        return Err(deadline.timeout_error());
    }
    match method {
        StartMethod::Server => server::start(job, deadline),
        StartMethod::Spawn => spawn::start(job, deadline),
        StartMethod::Fork => fork::start(job, deadline),
    }
}
