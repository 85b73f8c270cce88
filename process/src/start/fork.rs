//! [`StartMethod::Fork`](super::StartMethod::Fork): a copy of this process.

use procession_core::Control;
use procession_core::os::fork::Forked;
use procession_core::os::{held, stdio, threads};
use procession_core::start;

use super::deadline::StartDeadline;
use super::server_slot;
use super::started::{FirstReport, PidfdReservation, Started, failure, recv_report_in_time, unsent};
use crate::child::{self, ExitStyle};
use crate::job::Job;
use crate::registry;
use crate::spawn_error::SpawnError;

/// Copies this process, and waits for the first report of the copy. Refused with [`SpawnError::Threads`] before anything
/// is made when this process has more than one thread, and with [`SpawnError::LockHeld`] when it holds a lock.
pub(super) fn start(job: &mut Job, deadline: StartDeadline) -> Result<Started, SpawnError> {
    // Checked before anything is made, and once more by `fork` itself.
    if !threads::is_single().map_err(SpawnError::from_io)? {
        return Err(SpawnError::Threads);
    }
    if let Some(lock) = held::held() {
        return Err(SpawnError::LockHeld { lock: lock.to_owned() });
    }
    let (mut here, there) = Control::pair().map_err(SpawnError::from_io)?;
    // Through the socket like any other job: the copy could read it from memory, but so it needs no path of its own.
    here.send(job).map_err(unsent)?;
    // Buffered output would be written twice, by this process and by its copy.
    stdio::flush_all();
    child::prepare_copies();
    let reserve = PidfdReservation::new().map_err(SpawnError::from_io)?;
    match there.fork().map_err(SpawnError::from_io)? {
        (Forked::Child, there) => {
            drop(reserve);
            run_copy(there)
        }
        (Forked::Parent(pid), there) => {
            // The copy alone holds that end now, so that its death ends the link.
            drop(there);
            parent(pid, here, reserve, deadline)
        }
    }
}

/// Runs the copy: forgets what belongs to the original, then goes on as any other child.
fn run_copy(control: Control) -> ! {
    // Before anything else: a report or a wait of the original's children from here would confuse both.
    registry::forget_inherited();
    server_slot::forget_inherited();
    child::forget_inherited();
    #[cfg(feature = "log")]
    crate::logs::forget_inherited();
    start::descend();
    child::receive(control, ExitStyle::AsCopy)
}

/// Waits for the copy, in the original. `here` is this process's end of the copy's control link.
fn parent(
    pid: u32,
    mut here: Control,
    reserve: PidfdReservation,
    deadline: StartDeadline,
) -> Result<Started, SpawnError> {
    let recv_first_report = recv_report_in_time(&mut here, deadline);
    let pidfd = reserve.name(pid).map_err(SpawnError::from_io)?;
    match recv_first_report {
        FirstReport::Started(_) => Ok(Started { pid, pidfd, control: here }),
        other => Err(failure(other, &pidfd, String::new)),
    }
}
