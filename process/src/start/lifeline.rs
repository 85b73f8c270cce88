//! The lifeline of this process, to which its daemons hold on.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use procession_core::os::identity::ProcessIdentity;
use procession_core::os::lifeline::Lifeline;
use procession_core::os::limits;
use procession_core::os::mutex::lock;

/// Returns the end of the lifeline of this process, for a daemon to hold.
pub(crate) fn lifeline() -> io::Result<OwnedFd> {
    static LIFELINE: Mutex<Option<Line>> = Mutex::new(None);
    let mut line = lock(&LIFELINE);
    let (owner, credentials) = (ProcessIdentity::current(), limits::credentials());
    match line.take() {
        Some(found) if found.owner == owner && found.credentials != credentials => {
            // Daemons that were started before hold it for as long as this process lives.
            std::mem::forget(found.lifeline);
        }
        // Where this process is a copy, this closes only the copy's own descriptors.
        other => *line = other.filter(|found| found.owner == owner),
    }
    let line = match &mut *line {
        Some(line) => line,
        none => none.insert(Line { owner, credentials, lifeline: Lifeline::new()? }),
    };
    // Duplicated, because the job owns its descriptors and closes them when it is sent.
    line.lifeline.end().try_clone_to_owned()
}

/// A lifeline and its maker. A pipe belongs to the user of its maker: after a change of that, new daemons may not open it.
struct Line {
    /// The process that made it. A copy finds the line here, but daemons of the copy must die with the copy.
    owner: ProcessIdentity,
    /// The users and groups of the maker: real, effective and saved.
    credentials: [u32; 6],
    /// The pipe. Nothing is ever written to it: its daemons are killed when the last writer is gone.
    lifeline: Lifeline,
}
