//! [`Arrivals`]: which of several jobs has ended next. However many there are, each costs the same.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Instant;

use crate::pending::{Pending, WatchId};

/// Several jobs, of which each is told once: when it has ended.
pub(crate) struct Arrivals {
    news: Arc<News>,
    watch: WatchId,
    /// By place; `None` from then on when it was told.
    waiting: Vec<Option<Arc<Pending>>>,
    left: usize,
}

/// The places of jobs that may have ended.
#[derive(Default)]
struct News {
    places: Mutex<VecDeque<usize>>,
    some: Condvar,
}

/// Brings news of one job.
struct Messenger {
    news: Arc<News>,
    place: usize,
}

impl Arrivals {
    pub(crate) fn new(jobs: impl IntoIterator<Item = Arc<Pending>>) -> Arrivals {
        let (news, watch) = (Arc::new(News::default()), WatchId::new());
        let waiting: Vec<_> = jobs.into_iter().map(Some).collect();
        for (place, pending) in waiting.iter().flatten().enumerate() {
            let messenger = Messenger { news: news.clone(), place };
            pending.watch(watch, &Waker::from(Arc::new(messenger)));
        }
        Arrivals { news, watch, left: waiting.len(), waiting }
    }

    /// How many have not been told.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// The place of the next one to end. `None` when there is none in time, or none at all.
    pub(crate) fn next(&mut self, deadline: Option<Instant>) -> Option<usize> {
        while self.left > 0 {
            let place = self.news.wait(deadline)?;
            if self.tell(place) {
                return Some(place);
            }
        }
        None
    }

    /// Whether that one has ended and was not told.
    fn tell(&mut self, place: usize) -> bool {
        let Some(pending) = self.waiting[place].take_if(|pending| pending.end().is_some()) else { return false };
        pending.unwatch(self.watch);
        self.left -= 1;
        true
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.waiting.iter().flatten().for_each(|pending| pending.unwatch(self.watch));
    }
}

impl News {
    fn wait(&self, deadline: Option<Instant>) -> Option<usize> {
        let mut places = self.places();
        loop {
            if let Some(place) = places.pop_front() {
                return Some(place);
            }
            let Some(deadline) = deadline else {
                places = self.some.wait(places).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            places = self.some.wait_timeout(places, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn places(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Messenger {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.news.places().push_back(self.place);
        self.news.some.notify_one();
    }
}
