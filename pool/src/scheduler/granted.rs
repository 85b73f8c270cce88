//! [`Granted`]: the tasks that a worker of another host may start, by chunks.

/// The tasks at the front of a worker's list that it may start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Granted {
    /// The number of chunks that were granted as a whole, and the number of tasks in them.
    chunks: usize,
    in_chunks: u64,
    /// The number of tasks that were granted of the chunk behind them.
    in_next: u64,
}

impl Granted {
    /// Returns the number of tasks.
    pub(super) fn count(self) -> u64 {
        self.in_chunks + self.in_next
    }

    /// Returns the number of chunks that were granted as a whole.
    pub(super) fn chunks(self) -> usize {
        self.chunks
    }

    /// Returns the number of tasks that were granted of the chunk behind those.
    pub(super) fn in_next(self) -> u64 {
        self.in_next
    }

    /// Grants `count` more tasks of the next chunk, which is then granted as a whole or not.
    pub(super) fn grant(&mut self, count: u64, is_whole: bool) {
        self.in_next += count;
        if is_whole {
            self.chunks += 1;
            self.in_chunks += std::mem::take(&mut self.in_next);
        }
    }

    /// Removes the first `count` tasks, all of one chunk, which are the rest of it or not.
    #[inline]
    pub(super) fn completed(&mut self, count: u64, is_whole: bool) {
        if self.chunks == 0 {
            self.in_next = self.in_next.saturating_sub(count);
        } else {
            self.in_chunks -= count;
            self.chunks -= usize::from(is_whole);
        }
    }

    /// Removes the last `count` tasks, all of one chunk, of which `rest` are left. The worker holds `chunks` chunks after that.
    pub(super) fn revoked(&mut self, chunks: usize, count: u64, rest: u64) {
        let index = if rest == 0 { chunks } else { chunks - 1 };
        if index < self.chunks {
            self.in_chunks -= count;
            self.chunks = self.chunks.min(chunks);
        } else if index == self.chunks {
            self.in_next = self.in_next.min(rest);
        }
    }
}
