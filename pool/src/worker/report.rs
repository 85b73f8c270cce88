//! How a worker tells what became of its tasks.

use std::sync::atomic::Ordering;
use std::time::Duration;

use procession_core::codec::Handles;
use procession_core::codec::{self, Message};
use procession_core::os::clock;
use procession_core::{LinkError, Ring};

use super::{Worker, spin};
use crate::wire::Bell;
use crate::wire::claim::Claim;
use crate::wire::item::{self, Head, ItemKind, LARGE, MAX_HEAD};
use crate::wire::protocol::{Answer, Report};

/// Their times are told at the latest after so many of them, or so much time.
const TOLD: u64 = 1024;
/// The longest buffer for a result that is kept for the next one, in bytes.
const MOST_KEPT: usize = 8 << 20;
const TOLD_TIME: Duration = Duration::from_micros(200);

impl Worker {
    /// Reports what became of a task. A result that cannot travel is told as that.
    #[inline]
    pub(super) fn report(&mut self, outcome: Result<(), Box<Answer>>) -> Result<(), LinkError> {
        match outcome {
            Ok(()) if !self.descriptors.is_empty() => self.report_with_descriptors(),
            Ok(()) if self.scratch.len() >= LARGE => self.report_large(),
            Ok(()) => self.publish(ItemKind::Value),
            Err(answer) => self.report_trouble(&answer),
        }
    }

    /// Lends a result. One that cannot be lent goes through the ring, piece by piece.
    #[cold]
    fn report_large(&mut self) -> Result<(), LinkError> {
        let Ok(loan) = self.lender.publish(&self.scratch[MAX_HEAD..]) else { return self.publish(ItemKind::Value) };
        self.scratch.truncate(MAX_HEAD);
        if self.scratch.capacity() > MOST_KEPT {
            self.scratch.shrink_to(LARGE);
        }
        // It is two numbers.
        let _numbers = codec::append(&loan, &mut self.scratch);
        self.publish(ItemKind::Lent)
    }

    #[cold]
    fn report_with_descriptors(&mut self) -> Result<(), LinkError> {
        let descriptors = std::mem::take(&mut self.descriptors);
        match self.control.send(&Report::Descriptors(Message::new(Vec::new(), descriptors))) {
            Ok(()) => self.publish(ItemKind::WithDescriptors),
            Err(LinkError::Disconnected) => Err(LinkError::Disconnected),
            Err(error) => self.report_trouble(&Answer::BadResult(error.to_string())),
        }
    }

    #[cold]
    pub(super) fn report_trouble(&mut self, answer: &Answer) -> Result<(), LinkError> {
        // Somebody may have waited for nothing but this.
        self.last_bell = Duration::ZERO;
        self.descriptors = Handles::new();
        self.scratch.clear();
        self.scratch.extend_from_slice(&[0; MAX_HEAD]);
        // It is made of text, and text can be encoded.
        let _text = codec::append(answer, &mut self.scratch);
        self.publish(ItemKind::Trouble)
    }

    /// Publishes what is in the scratch buffer.
    #[inline]
    pub(super) fn publish(&mut self, kind: ItemKind) -> Result<(), LinkError> {
        let head = Head::new(kind, self.scratch.len() - MAX_HEAD);
        let begin = MAX_HEAD - head.bytes().len();
        self.scratch[begin..MAX_HEAD].copy_from_slice(head.bytes());
        let written = begin + self.lines.reports.write(&self.scratch[begin..]);
        self.lines.reports.publish();
        if written == self.scratch.len() { Ok(()) } else { self.publish_slowly(written) }
    }

    /// Publishes the rest, waiting for room.
    #[cold]
    fn publish_slowly(&mut self, mut written: usize) -> Result<(), LinkError> {
        while written < self.scratch.len() {
            self.wait_for_room()?;
            written += self.lines.reports.write(&self.scratch[written..]);
            self.lines.reports.publish();
        }
        Ok(())
    }

    pub(super) fn wait_for_room(&mut self) -> Result<(), LinkError> {
        self.ring_if_asleep(Duration::ZERO)?;
        if self.may_spin {
            let reports = &mut self.lines.reports;
            if spin(|| reports.free() > 0) {
                return Ok(());
            }
        }
        self.lines.worker_wants_room().store(1, Ordering::SeqCst);
        Ring::full_fence();
        if self.lines.reports.free() == 0 {
            self.listen()?;
            if self.leaving {
                return Err(LinkError::Disconnected);
            }
        }
        self.lines.worker_wants_room().store(0, Ordering::SeqCst);
        Ok(())
    }

    /// Tells how long tasks take, now and then.
    pub(super) fn tell_time(&mut self) {
        let (count, time) = self.pace.untold;
        let is_enough = count >= TOLD || time >= TOLD_TIME || self.inbox.is_empty();
        if count == 0 || !is_enough || self.lines.reports.free() < MAX_HEAD {
            return;
        }
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.lines.reports.write(&item::time(count, nanos));
        self.lines.reports.publish();
        self.pace.untold = (0, Duration::ZERO);
    }

    /// Wakes the pool if it sleeps; while there is more to do, at most once in such a time, or in a longer one if the pool does not
    /// mind. Whether this worker rings does not depend on when the pool has asked for it: it looks again after the next task, and
    /// when it has no more, it has nothing to wait for.
    #[inline]
    pub(super) fn ring_if_asleep(&mut self, pause: Duration) -> Result<(), LinkError> {
        Ring::full_fence();
        let sleeps = self.lines.pool_sleeps();
        let bell = sleeps.load(Ordering::Relaxed);
        if bell == 0 {
            return Ok(());
        }
        let is_late = bell == Bell::Late as u64 && !pause.is_zero();
        let pause = if is_late { self.pace.late_bells(Claim::read(self.lines.claim()).open()) } else { pause };
        let now = clock::monotonic();
        let has_more = !self.inbox.is_empty() || !self.lines.orders.is_empty();
        if has_more && now.saturating_sub(self.last_bell) < pause || sleeps.swap(0, Ordering::SeqCst) == 0 {
            return Ok(());
        }
        self.last_bell = now;
        self.control.send(&Report::Bell)
    }
}
