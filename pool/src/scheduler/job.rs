//! A job as the scheduler sees it: tasks that wait, and how many of them go together.

use std::collections::VecDeque;

use crate::chunking::Chunking;

/// The most bytes in a chunk of more than one task.
const HEAVY: usize = 1 << 20;

/// One job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) chunking: Chunking,
    queue: VecDeque<Waiting>,
}

/// A task that waits for a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) index: u64,
    pub(super) weight: usize,
}

impl Job {
    pub(super) fn new(chunking: Chunking) -> Job {
        Job { chunking, queue: VecDeque::new() }
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
        self.queue.push_back(waiting);
    }

    /// Puts a task that was sent but not begun back to the front.
    ///
    /// What it weighs is not known any more, and it has been in a chunk that was not too heavy.
    pub(super) fn put_back(&mut self, index: u64) {
        self.queue.push_front(Waiting { index, weight: 0 });
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes the next chunk for one of `workers` workers, of at least one task where there is any.
    pub(super) fn take_chunk(&mut self, workers: usize) -> Vec<u64> {
        let most = self.chunking.size(self.queue.len(), workers);
        let mut weight = 0_usize;
        let mut count = 0;
        for waiting in self.queue.iter().take(most) {
            weight = weight.saturating_add(waiting.weight);
            if count > 0 && weight > HEAVY {
                break;
            }
            count += 1;
        }
        self.queue.drain(..count).map(|waiting| waiting.index).collect()
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = u64> {
        self.queue.drain(..).map(|waiting| waiting.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;

    #[test]
    fn heavy_tasks_go_alone() {
        let mut job = Job::new(Chunking::new(NonZeroUsize::new(10)));
        for (index, weight) in [(0, 2 * HEAVY), (1, 10), (2, 10), (3, HEAVY), (4, usize::MAX)] {
            job.push(Waiting { index, weight });
        }
        assert_eq!(job.take_chunk(1), [0]);
        assert_eq!(job.take_chunk(1), [1, 2]);
        assert_eq!(job.take_chunk(1), [3]);
        assert_eq!(job.take_chunk(1), [4]);
        assert!(job.is_idle() && job.take_chunk(1).is_empty());
    }
}
