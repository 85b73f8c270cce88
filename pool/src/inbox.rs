//! [`Inbox`]: the tasks that a worker was sent and has not run.

use std::collections::VecDeque;

use procession_core::{Progress, Ring};

use crate::wire::claim::{Claim, distance};
use crate::wire::item::{self, HEADER, Header, Item, ItemKind};

/// So many bytes that were read are thrown away at once.
const WASTE: usize = 1 << 20;

/// Chunks as they came out of the ring.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Bytes of the stream, of which the first is number `base`.
    bytes: Vec<u8>,
    base: usize,
    /// How far the headers have been read.
    parsed: usize,
    chunks: VecDeque<Chunk>,
}

/// Tasks that go together.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    header: Header,
    /// Where the items begin.
    at: usize,
}

/// Tasks that may be begun at once.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) work: u32,
    /// How many are left.
    pub(crate) count: u64,
    /// How many were run.
    passed: u64,
    /// Where the first one's item is.
    at: usize,
    pub(crate) has_descriptors: bool,
    pub(crate) is_lent: bool,
    /// The number of the first one's descriptors, if it has any.
    pub(crate) unit: u32,
}

impl Task {
    /// Goes on to later ones of these tasks.
    #[inline]
    pub(crate) fn pass(&mut self, passed: Progress) {
        self.at += passed.bytes;
        self.count -= passed.count;
        self.passed += passed.count;
    }
}

impl Inbox {
    /// Reads all that there is in the ring.
    pub(crate) fn fill(&mut self, ring: &mut Ring) {
        self.throw_away();
        ring.read(&mut self.bytes);
        while let Some(header) = self.bytes.get(self.parsed - self.base..).and_then(Header::read) {
            let at = self.parsed + HEADER;
            let Some(end) = usize::try_from(header.len).ok().and_then(|len| at.checked_add(len)) else { return };
            if end > self.base + self.bytes.len() {
                return;
            }
            self.parsed = end;
            self.cut(header.number);
            self.chunks.push_back(Chunk { header, at });
        }
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The next tasks, as many as are begun at once, if the claim allows for some and they are here.
    #[inline]
    pub(crate) fn next(&mut self, claim: Claim) -> Option<Task> {
        let open = claim.open();
        if open == 0 {
            return None;
        }
        while self.chunks.front()?.header.count == 0 {
            self.chunks.pop_front();
        }
        let Chunk { header, at } = self.chunks.front()?;
        if header.number != claim.begun() {
            return None;
        }
        let Item { kind, .. } = self.bytes.get(at - self.base..).and_then(item::read)?;
        let (has_descriptors, is_lent) = (kind == ItemKind::WithDescriptors, kind == ItemKind::Lent);
        let together = if has_descriptors || is_lent { 1 } else { u64::from(header.unit.max(1)) };
        let count = together.min(header.count).min(open);
        Some(Task { work: header.work, count, passed: 0, at: *at, has_descriptors, is_lent, unit: header.unit })
    }

    /// The argument of the first of these tasks.
    #[inline]
    pub(crate) fn argument(&self, task: &Task) -> &[u8] {
        self.item(task).map_or(&[], |item| item.body)
    }

    /// The items of these tasks, and what follows them.
    #[inline]
    pub(crate) fn items(&self, task: &Task) -> &[u8] {
        self.bytes.get(task.at - self.base..).unwrap_or_default()
    }

    /// Goes on to the second of these tasks.
    #[inline]
    pub(crate) fn pass(&self, task: &mut Task) {
        let bytes = self.item(task).map_or(0, |item| item.len);
        task.pass(Progress { count: 1, bytes });
    }

    /// Notes which of these tasks, which are the first of all, were run.
    #[inline]
    pub(crate) fn settle(&mut self, task: &Task) {
        let Some(front) = self.chunks.front_mut() else { return };
        front.at = task.at;
        front.header.number = (front.header.number + task.passed) % (1 << 24);
        front.header.count = front.header.count.saturating_sub(task.passed);
        if front.header.count == 0 {
            self.chunks.pop_front();
        }
    }

    #[inline]
    fn item(&self, task: &Task) -> Option<Item<'_>> {
        self.bytes.get(task.at - self.base..).and_then(item::read)
    }

    /// Forgets tasks with this number and later ones: they were taken back, and their numbers given again.
    fn cut(&mut self, number: u64) {
        while let Some(last) = self.chunks.back_mut() {
            let before = distance(last.header.number, number);
            // What lies behind is nearly a whole round away.
            let kept = if before < 1 << 23 { before.min(last.header.count) } else { 0 };
            if kept == last.header.count {
                return;
            }
            last.header.count = kept;
            if kept == 0 {
                self.chunks.pop_back();
            }
        }
    }

    fn throw_away(&mut self) {
        let needed = self.chunks.front().map_or(self.parsed, |chunk| chunk.at) - self.base;
        if needed == self.bytes.len() {
            self.bytes.clear();
        } else if needed > WASTE {
            self.bytes.drain(..needed);
        } else {
            return;
        }
        self.base += needed;
    }
}
