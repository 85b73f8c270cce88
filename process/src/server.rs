//! The server process: this program, kept at its first line, which copies itself on request.
//!
//! It runs nothing of the program's own and has one thread, so its copies start as clean as a fresh program. They are
//! children of the process that asked (`CLONE_PARENT`), which can wait for them as for any child.

use procession_core::os::exit;
use procession_core::os::fork::{Forked, fork_sibling};
use procession_core::os::stdio;
use procession_core::os::threads::Counter;
use procession_core::{Control, Image};
use serde::{Deserialize, Serialize};

use crate::child::{self, Leave};
use crate::identity;
use crate::job::Job;
use crate::panics;

/// What the owner asks for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order<J, C> {
    /// A copy, which becomes the child at the other end of this control link and does this job. There is no reply: the
    /// child itself answers over its link, or the end of that link says that there is no child.
    ///
    /// The job is read here and not by the copy, whose memory is not yet mapped: each page that it touches costs it
    /// microseconds.
    Copy(J, C),
    /// What became of the last copy.
    Explain,
}

/// What the server answers: once when it is up, then to each [`Order::Explain`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Ready,
    /// It cannot serve, for this reason.
    Refused(String),
    /// The last copy has this number.
    Forked(u32),
    /// There is no last copy, for this error number.
    Failed(i32),
}

/// Serves until the owner of the link is gone.
///
/// Signals are left as they are, because each page of memory that a copy must change costs it microseconds. A server that
/// Ctrl-C has ended is replaced at the next start.
pub(crate) fn serve(mut link: Control, image: &Image) -> ! {
    let threads = match Counter::new() {
        Ok(threads) => threads,
        Err(error) => refuse(&mut link, format!("/proc must be mounted: {error}")),
    };
    if let Some(reason) = refusal(image, &threads) {
        refuse(&mut link, reason);
    }
    let mut last = Reply::Ready;
    prepare();
    let mut more = link.send(&last).is_ok();
    while more {
        more = match link.recv::<Order<Job, Control>>(None) {
            Ok(Some(Order::Copy(job, control))) => {
                // What the copy would have to change is changed here, for the same reason.
                identity::become_one(&job.identity);
                match fork_sibling(&threads) {
                    Ok(Forked::Child) => {
                        link.close_in_copy();
                        drop(threads);
                        child::live(job, control, Leave::AsCopy)
                    }
                    forked => last = outcome(forked),
                }
                // While the copy lives, each page that either writes to is copied: let it go first.
                std::thread::yield_now();
                true
            }
            Ok(Some(Order::Explain)) => link.send(&last).is_ok(),
            Ok(None) | Err(_) => false,
        };
    }
    exit::exit_now(0)
}

fn refuse(link: &mut Control, reason: String) -> ! {
    let _owner_gone = link.send(&Reply::Refused(reason));
    exit::exit_now(1)
}

fn outcome(forked: std::io::Result<Forked>) -> Reply {
    match forked {
        Ok(Forked::Parent(pid)) => Reply::Forked(pid),
        Ok(Forked::Child) => Reply::Ready,
        Err(error) => Reply::Failed(error.raw_os_error().unwrap_or(0)),
    }
}

/// Does here, once, what each copy would have to do.
fn prepare() {
    // Output of what ran before `init` would be written by every copy. Its stdout leads nowhere, so let it go now.
    stdio::flush_all();
    panics::install_hook();
    child::prepare_copies();
    child::watch_exit();
}

/// Why this process cannot be a server.
fn refusal(image: &Image, threads: &Counter) -> Option<String> {
    if image != Image::own() {
        return Some("it runs another program: /proc/self/exe does not lead back to this executable".to_owned());
    }
    match threads.is_single() {
        Ok(true) => None,
        Ok(false) => Some(
            "this program starts threads before `procession::init()`: make `init` the first line of `main`, or use \
             StartMethod::Spawn; an async `main` (`#[tokio::main]`) starts its threads before its first line, so put \
             `procession::init_at_load!();` at the top of the file there, or start the runtime by hand after `init`"
                .to_owned(),
        ),
        Err(error) => Some(error.to_string()),
    }
}

/// Ends the server process that [`StartMethod::Server`](crate::StartMethod::Server) has started, if there is one, and gives
/// back its descriptors.
///
/// Nothing else changes: running children stay, and the next start brings a new server.
///
/// ```
/// use procession_process::{Process, stop_server};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// assert_eq!(Process::spawn(|n: i32| n + 1, 1)?.join()?, 2);
/// stop_server();
/// assert_eq!(Process::spawn(|n: i32| n + 1, 2)?.join()?, 3);
/// # Ok(())
/// # }
/// ```
pub fn stop_server() {
    crate::start::stop();
}
