//! Jobs whose results somebody watches for who looks at no ring: callbacks and futures.

use super::Dispatcher;
use crate::ids::JobId;
use crate::sink::Listener;

impl Dispatcher {
    /// Notes that somebody watches for the results of a job and looks at no ring.
    pub(crate) fn expect(&mut self, job: JobId) {
        let Some(desk) = self.desks.get_mut(&job) else { return };
        self.watched += usize::from(!std::mem::replace(&mut desk.is_watched, true));
    }

    /// Whether there is such a job.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched > 0
    }

    /// Whether somebody who watches was told of a short task's result since this was last asked.
    pub(crate) fn take_brisk(&mut self) -> bool {
        std::mem::take(&mut self.is_brisk)
    }

    pub(crate) fn set_brisk(&mut self) {
        self.is_brisk = true;
    }

    /// What is to be called when the lock has been given back.
    #[inline]
    pub(crate) fn take_calls(&mut self) -> Vec<Listener> {
        std::mem::take(&mut self.calls)
    }
}
