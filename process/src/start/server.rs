//! [`StartMethod::Server`](super::StartMethod::Server): asking the server process for a copy of itself.

use procession_core::os::identity::ProcessIdentity;

use super::deadline::StartDeadline;
use super::server_handle::{OrderOutcome, Server};
use super::server_slot::SlotGuard;
use super::spawn;
use super::started::{PidfdReservation, Started};
use crate::job::Job;
use crate::spawn_error::SpawnError;

/// How many servers a start uses up when they die. More would repeat a mistake of the program; fewer fail when servers are killed at random.
const MAX_SERVER_STARTS: u32 = 5;

/// Has the server make the child. The slot is held until the child is made, and not until it reports, so that one slow child
/// delays no other start. Where the system has no descriptors of processes, or allows no sibling, this program is executed
/// instead.
pub(super) fn start(job: &mut Job, deadline: StartDeadline) -> Result<Started, SpawnError> {
    let mut slot_guard = SlotGuard::take(deadline)?;
    // A child of the server is named by its number. Where that cannot be, one is made that comes with its name.
    // Reserved only now, so that the starts that wait for their turn hold no descriptor each.
    let Some(mut reserve) = reserve()? else {
        drop(slot_guard);
        return spawn::start(job, deadline);
    };
    for _ in 0..MAX_SERVER_STARTS {
        let mut server = match slot_guard.server.take() {
            Some(server) if server.owner == ProcessIdentity::current() => server,
            // The server of an original is dropped here, which closes the descriptors of this copy and no more.
            _of_another_or_none => Server::new(deadline)?,
        };
        let outcome = server.start(job, reserve, deadline);
        // Put back before the outcome is looked at: an error of this start must not cost the next one a new server.
        slot_guard.server = Some(server).filter(|server| server.usable);
        match outcome? {
            Some(OrderOutcome::Started(started)) => return Ok(started),
            Some(OrderOutcome::SlowChild(slow)) => {
                // The child is made, so that other starts need not wait for it.
                drop(slot_guard);
                return slow.wait(deadline);
            }
            Some(OrderOutcome::NotBySibling) => {
                drop(slot_guard);
                return spawn::start(job, deadline);
            }
            // The server died: the next round makes a new one.
            None => reserve = PidfdReservation::new().map_err(SpawnError::from_io)?,
        }
    }
    Err(SpawnError::Refused(format!("{MAX_SERVER_STARTS} server processes in a row died while they were asked")))
}

/// Returns `None` where the system has no descriptors of processes.
fn reserve() -> Result<Option<PidfdReservation>, SpawnError> {
    match PidfdReservation::new() {
        Ok(reserve) => Ok(Some(reserve)),
        // The error of a refused call names it, and has no number of its own.
        Err(error) if error.raw_os_error().is_none() => Ok(None),
        Err(error) => Err(SpawnError::from_io(error)),
    }
}
