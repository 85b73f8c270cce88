//! [`Desk`]: the arguments and results of one job, while they are with the dispatcher.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::FailurePolicy;
use crate::batch::Batch;
use crate::ids::Span;
use crate::parcel::Parcel;
use crate::sink::{Delivered, Sink};
use crate::task_error::Story;
use crate::terms::{Tenure, Terms};

/// One job's papers.
#[derive(Debug)]
pub(crate) struct Desk {
    /// What is done with its arguments; see [`Works`](crate::works::Works).
    pub(crate) work: u32,
    pub(crate) sink: Arc<Sink>,
    /// The batches of which a task has not ended. An argument is kept until then: the worker that has it may die.
    batches: VecDeque<Open>,
    /// What a worker has just said, until the scheduler has decided about it.
    noted: Option<Noted>,
    out: Vec<Parcel>,
    /// Whether nobody wants the results.
    pub(crate) is_detached: bool,
    /// Whether somebody watches for the results and looks at no ring.
    pub(crate) is_watched: bool,
    /// Whether somebody may look at a result before all are there.
    pub(crate) is_eager: bool,
    /// Whether all its tasks were handed over at once.
    is_whole: bool,
    /// Whether the first failure ends it.
    fails_fast: bool,
    has_failed: bool,
}

/// A batch with the number of its tasks that have not ended.
#[derive(Debug)]
struct Open {
    batch: Arc<Batch>,
    left: u64,
}

/// What a worker has just said about its next tasks.
#[derive(Debug)]
pub(crate) enum Noted {
    Values(Parcel),
    Trouble(Story),
}

impl Desk {
    pub(crate) fn new(work: u32, sink: Arc<Sink>, terms: &Terms) -> Desk {
        Desk {
            work,
            sink,
            batches: VecDeque::new(),
            noted: None,
            out: Vec::new(),
            is_detached: false,
            is_watched: false,
            is_eager: !terms.wants_all,
            is_whole: terms.tenure == Tenure::Entrusted,
            fails_fast: terms.on_failure.is_none_or(|policy| policy == FailurePolicy::FailFast),
            has_failed: false,
        }
    }

    /// Takes in tasks. Their indices are higher than any before.
    pub(crate) fn put(&mut self, batch: Batch) {
        let left = batch.len() as u64;
        self.batches.push_back(Open { batch: Arc::new(batch), left });
    }

    /// The batch that holds some tasks, and their places in it.
    pub(crate) fn find(&self, tasks: Span) -> Option<(&Arc<Batch>, Range<usize>)> {
        let open = self.batches.get(self.place(tasks.first)?)?;
        Some((&open.batch, items(&open.batch, tasks)?))
    }

    /// Notes what a worker has said until the scheduler has decided about it.
    pub(crate) fn note(&mut self, noted: Noted) {
        self.noted = Some(noted);
    }

    /// Forgets what was noted.
    pub(crate) fn unnote(&mut self) {
        self.noted = None;
    }

    /// Ends tasks as their worker has just said. Of a failure, `attempt` tells which attempt it was.
    pub(crate) fn finish_noted(&mut self, tasks: Span, attempt: u32, otherwise: impl FnOnce() -> Story) {
        let parcel = match self.noted.take() {
            Some(Noted::Values(parcel)) => parcel,
            Some(Noted::Trouble(story)) => Parcel::error(tasks.first, tasks.count, story.at_attempt(attempt)),
            None => Parcel::error(tasks.first, tasks.count, otherwise()),
        };
        self.end(tasks, parcel);
    }

    /// Ends tasks without an answer.
    pub(crate) fn finish(&mut self, tasks: Span, story: Story) {
        self.end(tasks, Parcel::error(tasks.first, tasks.count, story));
    }

    /// Hands over what has ended.
    #[inline]
    pub(crate) fn deliver(&mut self, chunk_goal: usize) -> Delivered {
        self.has_failed |= self.fails_fast && self.is_whole && self.out.iter().any(Parcel::is_failure);
        if self.is_detached {
            self.out.clear();
        }
        self.sink.deliver(&mut self.out, chunk_goal)
    }

    /// Whether nothing more will be handed over, whoever may look at the results or not: what the pool has of the job can go.
    pub(crate) fn is_over(&self) -> bool {
        if self.is_detached {
            self.batches.is_empty()
        } else {
            self.is_whole && (self.batches.is_empty() || self.has_failed)
        }
    }

    fn end(&mut self, tasks: Span, parcel: Parcel) {
        let Some(place) = self.place(tasks.first) else { return };
        let Some(open) = self.batches.get_mut(place) else { return };
        open.left = open.left.saturating_sub(tasks.count);
        let weight = items(&open.batch, tasks).map_or(0, |items| open.batch.weight_of(items));
        self.out.push(parcel.weighing(weight));
        while self.batches.front().is_some_and(|open| open.left == 0) {
            self.batches.pop_front();
        }
    }

    /// Which batch a task is in.
    fn place(&self, index: u64) -> Option<usize> {
        self.batches.partition_point(|open| open.batch.first <= index).checked_sub(1)
    }
}

fn items(batch: &Batch, tasks: Span) -> Option<Range<usize>> {
    let begin = usize::try_from(tasks.first.checked_sub(batch.first)?).ok()?;
    let end = begin.checked_add(usize::try_from(tasks.count).ok()?)?;
    (end <= batch.len()).then_some(begin..end)
}
