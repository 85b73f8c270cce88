//! [`StartMethod::Fork`](super::StartMethod::Fork): a copy of this process.

use procession_core::Control;
use procession_core::os::fork::Forked;
use procession_core::os::{stdio, threads};
use procession_core::start;

use super::until::Until;
use super::{Answer, Reserve, Started, answer_in_time, failure, unsent};
use crate::child::{self, Leave};
use crate::job::Job;
use crate::registry;
use crate::spawn_error::SpawnError;

pub(super) fn start(job: &mut Job, until: Until) -> Result<Started, SpawnError> {
    if !threads::is_single().map_err(SpawnError::from_io)? {
        return Err(SpawnError::Threads);
    }
    let (mut here, there) = Control::pair().map_err(SpawnError::from_io)?;
    here.send(job).map_err(unsent)?;
    // What waits in the buffer would be written twice, by this process and by its copy.
    stdio::flush_all();
    child::prepare_copies();
    let reserve = Reserve::new().map_err(SpawnError::from_io)?;
    match there.fork().map_err(SpawnError::from_io)? {
        (Forked::Child, there) => {
            drop(reserve);
            live(there)
        }
        (Forked::Parent(pid), there) => {
            drop(there);
            parent(pid, here, reserve, until)
        }
    }
}

/// In the copy: forget what belongs to the original, then live as any other child.
fn live(control: Control) -> ! {
    registry::disown();
    super::disown();
    child::disown();
    start::descend();
    child::receive(control, Leave::AsCopy)
}

fn parent(pid: u32, mut here: Control, reserve: Reserve, until: Until) -> Result<Started, SpawnError> {
    let answer = answer_in_time(&mut here, until);
    let pidfd = reserve.name(pid).map_err(SpawnError::from_io)?;
    match answer {
        Answer::Started(_) => Ok(Started { pid, pidfd, control: here }),
        other => Err(failure(other, &pidfd, String::new)),
    }
}
