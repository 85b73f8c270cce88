//! [`Lines`] and [`Line`]: the two rings between a pool and a worker, and the pool's end of them.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use procession_core::{Buffer, BufferHandle, BufferMemory, BufferPool, BufferReader, MappingError, Ring, codec};
use serde::{Deserialize, Serialize};

use super::claim::{self, Claim, is_at_or_after};
use super::item::{self, Header, Item, ItemKind, LARGE};
use crate::batch::Batch;

/// How many bytes each ring holds.
const CAPACITY: usize = 256 << 10;

/// What a pool and one worker share: the rings, and the memory where what is too large for them is lent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Lines {
    pub(crate) orders: Ring,
    pub(crate) reports: Ring,
    pub(crate) arguments: BufferMemory,
    pub(crate) results: BufferMemory,
}

/// A worker that has more to do may keep a bell back that it owes, for so long after its last one. It does not ring when that time is
/// over if its next task takes longer, so the pool has to look by itself then.
pub(crate) const KEPT_BACK: Duration = Duration::from_millis(2);

/// How soon a pool that sleeps wants to be told of results. A worker that has nothing more to do tells at once, and so does one
/// whose task has failed.
///
/// ```text
/// the pool, before it sleeps              a worker, after each task
/// 1. sets the word                        1. publishes the result
/// 2. `Ring::settle`                       2. `Ring::settle`
/// 3. looks for results: none? sleeps      3. looks at the word: set? clears it and rings, or keeps the bell back
/// ```
///
/// Whoever settles last sees what the other has done, so a result is seen by the pool or its bell is owed by the worker. A bell that
/// is kept back is owed still: the worker comes to its third step again after the next task, or before it sleeps if there is none
/// (it was taken back), and keeps nothing back there. It may be long before it does if the next task is. Then the pool sees the
/// result, [`KEPT_BACK`] after the last bell, where somebody may wait for it; where all results are waited for, that task's is too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Bell {
    /// Somebody may wait for each of them.
    Soon = 1,
    /// Nobody looks at any before all are there, so it is enough when the worker needs more to do.
    Late = 2,
}

/// The pool's end.
#[derive(Debug)]
pub(crate) struct Line {
    lines: Lines,
    lender: BufferPool,
    borrower: BufferReader,
    /// What was lent, with the numbers of the tasks that it was lent for.
    lent: VecDeque<(u64, BufferHandle)>,
    /// What did not fit into the ring.
    backlog: VecDeque<Piece>,
    /// Tasks that are in the backlog: they are granted when they can be read.
    ungranted: u64,
    /// Counts what was sent along the control link.
    serial: u32,
    /// The number of the next task to be sent.
    number: u64,
}

/// Bytes to be written.
#[derive(Debug)]
enum Piece {
    Header([u8; super::item::HEADER], usize),
    Items { batch: Arc<Batch>, left: Range<usize>, count: u64 },
}

impl Lines {
    pub(crate) fn new() -> Result<Lines, MappingError> {
        Ok(Lines {
            orders: Ring::with_label("procession: orders", CAPACITY)?,
            reports: Ring::with_label("procession: reports", CAPACITY)?,
            arguments: BufferMemory::with_label("procession: arguments")?,
            results: BufferMemory::with_label("procession: results")?,
        })
    }

    /// Which tasks the worker may begin, and has begun.
    #[inline]
    pub(crate) fn claim(&self) -> &AtomicU64 {
        self.orders.word(0)
    }

    /// 1 while the worker sleeps.
    #[inline]
    pub(crate) fn worker_sleeps(&self) -> &AtomicU64 {
        self.orders.word(1)
    }

    /// 1 while the pool waits for room in the orders.
    #[inline]
    pub(crate) fn pool_wants_room(&self) -> &AtomicU64 {
        self.orders.word(2)
    }

    /// 1 when the pool has said something on the control link that is to be heeded before the worker next sleeps.
    #[inline]
    pub(crate) fn has_mail(&self) -> &AtomicU64 {
        self.orders.word(3)
    }

    /// 0, or the [`Bell`] by which the pool wants to be woken.
    #[inline]
    pub(crate) fn pool_sleeps(&self) -> &AtomicU64 {
        self.reports.word(0)
    }

    /// Since when the worker's task has been running, in nanoseconds of the [clock](procession_core::os::clock).
    #[inline]
    pub(crate) fn running_since(&self) -> &AtomicU64 {
        self.reports.word(1)
    }

    /// 1 while the worker waits for room in the reports.
    #[inline]
    pub(crate) fn worker_wants_room(&self) -> &AtomicU64 {
        self.reports.word(2)
    }
}

impl Line {
    pub(crate) fn new(lines: Lines) -> Line {
        let (lender, borrower) = (BufferPool::new(lines.arguments.clone()), BufferReader::new(lines.results.clone()));
        let (lent, backlog) = (VecDeque::new(), VecDeque::new());
        Line { lines, lender, borrower, lent, backlog, ungranted: 0, serial: 0, number: 0 }
    }

    /// Sends a chunk, as far as there is room, and keeps the rest.
    pub(crate) fn send(&mut self, work: u32, unit: u64, serial: Option<u32>, batch: &Arc<Batch>, items: Range<usize>) {
        let count = items.len() as u64;
        let loan = if count == 1 { self.lend(batch, &items) } else { None };
        let (batch, bytes) = match &loan {
            Some(loan) => (loan, loan.range(0..1)),
            None => (batch, batch.range(items)),
        };
        // A task with descriptors goes alone, so its header has room for the number by which it finds them.
        let unit = serial.unwrap_or(u32::try_from(unit).unwrap_or(u32::MAX));
        let header = Header { number: self.number, count, work, unit, len: bytes.len() as u64 };
        self.number = (self.number + count) % (1 << 24);
        self.ungranted += count;
        let is_first = self.backlog.is_empty();
        self.backlog.push_back(Piece::Header(header.write(), 0));
        self.backlog.push_back(Piece::Items { batch: batch.clone(), left: bytes, count });
        if is_first {
            self.flush();
        }
    }

    /// Lends an argument that is large. One that cannot be lent goes through the ring, piece by piece.
    fn lend(&mut self, batch: &Batch, items: &Range<usize>) -> Option<Arc<Batch>> {
        let Item { kind, body, .. } = item::read(batch.bytes(batch.range(items.clone())))?;
        if kind != ItemKind::Value || body.len() < LARGE {
            return None;
        }
        let begun = self.begun();
        while self.lent.pop_front_if(|(number, _)| !is_at_or_after(*number, begun)).is_some() {}
        let loan = self.lender.publish(body).ok()?;
        self.lent.push_back((self.number, loan));
        Batch::of_loan(loan).ok().map(Arc::new)
    }

    /// Opens what a worker has lent; `None` if there is no such thing.
    pub(crate) fn borrow(&self, item: &Item<'_>) -> Option<Buffer> {
        self.borrower.open(codec::decode_from(item.body, Vec::new()).ok()?)
    }

    /// Has the worker look at its control link though it may have other things to do.
    pub(crate) fn announce_mail(&self) {
        self.lines.has_mail().store(1, Ordering::SeqCst);
    }

    /// Whether something did not fit into the ring.
    #[inline]
    pub(crate) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// A number for what goes along the control link.
    pub(crate) fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    /// Writes what there is room for. Answers whether all of it is out.
    pub(crate) fn flush(&mut self) -> bool {
        if self.backlog.is_empty() {
            return true;
        }
        let mut readable = self.write();
        if !self.backlog.is_empty() {
            self.lines.pool_wants_room().store(1, Ordering::SeqCst);
            Ring::full_fence();
            readable += self.write();
        }
        self.lines.orders.publish();
        if readable > 0 {
            self.ungranted -= readable;
            claim::grant(self.lines.claim(), readable);
        }
        self.backlog.is_empty()
    }

    /// Whether the worker sleeps and must be woken to see what was sent. Says so once.
    pub(crate) fn must_wake(&self) -> bool {
        Ring::full_fence();
        let sleeps = self.lines.worker_sleeps();
        sleeps.load(Ordering::Relaxed) == 1 && sleeps.swap(0, Ordering::SeqCst) == 1
    }

    /// Takes back up to so many of the last tasks, if the worker has not begun them.
    pub(crate) fn recall(&mut self, count: u64) -> u64 {
        // What waits behind a full ring has to go out first, because the worker must be able to read what it is granted next.
        if !self.backlog.is_empty() {
            return 0;
        }
        let taken = claim::recall(self.lines.claim(), count);
        self.number = (self.number + (1 << 24) - taken) % (1 << 24);
        while let Some((_, loan)) = self.lent.pop_back_if(|(number, _)| is_at_or_after(*number, self.number)) {
            self.lender.reclaim(loan);
        }
        taken
    }

    /// How many of the tasks that were sent the worker has not begun, when it has ended.
    pub(crate) fn unbegun(&self) -> u64 {
        self.ungranted + Claim::read(self.lines.claim()).open()
    }

    /// Reads what the worker has said. Answers whether there was anything.
    #[inline]
    pub(crate) fn read(&mut self, bytes: &mut Vec<u8>) -> bool {
        self.lines.reports.read(bytes)
    }

    /// Whether the worker waits for the room that was just made, and must be woken. Says so once.
    #[inline]
    pub(crate) fn has_made_room(&self) -> bool {
        Ring::full_fence();
        let wants = self.lines.worker_wants_room();
        wants.load(Ordering::Relaxed) == 1 && wants.swap(0, Ordering::SeqCst) == 1
    }

    /// Asks to be woken by the next result.
    pub(crate) fn arm(&self, bell: Bell) {
        self.lines.pool_sleeps().store(bell as u64, Ordering::SeqCst);
    }

    /// Asks not to be woken.
    pub(crate) fn disarm(&self) {
        if self.lines.pool_sleeps().load(Ordering::Relaxed) != 0 {
            self.lines.pool_sleeps().store(0, Ordering::Relaxed);
        }
    }

    /// Whether there is something to read.
    pub(crate) fn has_reports(&self) -> bool {
        !self.lines.reports.is_empty()
    }

    /// Since when the worker's task has been running, if the next task of those that it was sent has begun.
    pub(crate) fn running_since(&self) -> Duration {
        Duration::from_nanos(self.lines.running_since().load(Ordering::Acquire))
    }

    /// How many tasks the worker has begun, modulo 2^24.
    pub(crate) fn begun(&self) -> u64 {
        Claim::read(self.lines.claim()).begun()
    }

    /// The number of the next task to be sent.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Answers how many tasks can be read now that could not before.
    fn write(&mut self) -> u64 {
        let mut readable = 0;
        while let Some(piece) = self.backlog.front_mut() {
            let is_out = match piece {
                Piece::Header(bytes, at) => {
                    *at += self.lines.orders.write(&bytes[*at..]);
                    *at == bytes.len()
                }
                Piece::Items { batch, left, count } => {
                    left.start += self.lines.orders.write(batch.bytes(left.clone()));
                    readable += if Range::is_empty(left) { *count } else { 0 };
                    Range::is_empty(left)
                }
            };
            if !is_out {
                break;
            }
            self.backlog.pop_front();
        }
        readable
    }
}
