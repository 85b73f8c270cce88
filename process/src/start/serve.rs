//! The server process: this program, kept at its first line, which copies itself on request.
//!
//! It runs nothing of the program's own and has one thread, so its copies start as clean as a fresh program. They are
//! children of the process that asked (`CLONE_PARENT`), which can wait for them as for any child.

use std::os::fd::OwnedFd;

use procession_core::os::exit;
use procession_core::os::fork::{Forked, fork_sibling};
use procession_core::os::held;
use procession_core::os::lifeline;
use procession_core::os::stdio;
use procession_core::os::threads::Counter;
use procession_core::{Control, Image};

use super::protocol::{Order, Reply};
use crate::child::{self, ExitStyle};
use crate::job::Job;
use crate::panics;
use crate::process_info;

/// Serves until the owner of the link is gone.
///
/// Signals are left as they are, because each page of memory that a copy must change costs it microseconds. A server that
/// Ctrl-C has ended is replaced at the next start.
pub(crate) fn serve(mut link: Control, image: &Image, end: OwnedFd) -> ! {
    let threads = Counter::new().unwrap_or_else(|error| refuse(&mut link, format!("/proc must be mounted: {error}")));
    if let Some(reason) = refusal(image, &threads) {
        refuse(&mut link, reason);
    }
    // Killed with the owner also while it is stopped, when it does not see the end of the link.
    let lifeline = lifeline::hold(&end)
        .unwrap_or_else(|error| refuse(&mut link, format!("it cannot be tied to the life of its owner: {error}")));
    // The held one is a descriptor of its own, and copies are to inherit nothing else.
    drop(end);
    let mut last = Reply::Ready;
    prepare();
    let mut more = link.send(&last).is_ok();
    while more {
        // In a box: moved around in this frame, it would spread over a page more of the stack, which each copy and this process copy again.
        more = match link.recv::<Order<Box<Job>, Control>>(None) {
            Ok(Some(Order::Copy(job, control))) => {
                // Changed here, so that the copy need not write to a page of its own.
                process_info::set_own(&job.info);
                match fork_sibling(&threads) {
                    Ok(Forked::Child) => {
                        // A copy is to have the descriptors that it was passed, and no others: these three are the server's.
                        link.close_in_copy();
                        drop((threads, lifeline));
                        child::run_child(*job, control, ExitStyle::AsCopy)
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

/// Reports why there is no server, and ends this process. The owner gets the text as
/// [`SpawnError::Refused`](crate::SpawnError::Refused).
fn refuse(link: &mut Control, reason: String) -> ! {
    let _owner_gone = link.send(&Reply::Refused(reason));
    exit::exit_now(1)
}

/// Returns what the server replies when it is asked for its last copy. An error without a number is 0, which no error of
/// the system has.
fn outcome(forked: std::io::Result<Forked>) -> Reply {
    match forked {
        Ok(Forked::Parent(pid)) => Reply::Forked(pid),
        // Not reached: a copy has left the loop for its job.
        Ok(Forked::Child) => Reply::Ready,
        Err(error) => Reply::Failed(error.raw_os_error().unwrap_or(0)),
    }
}

/// Does once, in the server, what each copy would have to do.
fn prepare() {
    // Output from before `init` would be written by every copy. The stdout of the server is the null device, so flush it now.
    stdio::flush_all();
    panics::install_hook();
    child::prepare_copies();
    child::watch_exit();
}

/// Returns why this process cannot be a server.
fn refusal(image: &Image, threads: &Counter) -> Option<String> {
    if image != Image::own() {
        return Some("it runs another program: /proc/self/exe does not lead back to this executable".to_owned());
    }
    match threads.is_single() {
        // A copy would have the guard as well.
        Ok(true) => held::held().map(|lock| {
            format!(
                "this program holds the guard of a {lock} before `procession::init()`, which each child would have as well: make \
                 `init` the first line of `main`, or use StartMethod::Spawn"
            )
        }),
        Ok(false) => Some(
            "this program starts threads before `procession::init()`: make `init` the first line of `main`, or use \
             StartMethod::Spawn; an async `main` (`#[tokio::main]`) starts its threads before its first line, so put \
             `procession::init_at_load!();` at the top of the file there, or start the runtime by hand after `init`"
                .to_owned(),
        ),
        Err(error) => Some(error.to_string()),
    }
}
