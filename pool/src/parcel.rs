//! [`Parcel`]: what became of consecutive tasks, on its way to the thread that wants to know.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::os::fd::OwnedFd;

use procession_core::{Borrowed, codec};
use serde::de::DeserializeOwned;

use crate::TaskError;
use crate::task_error::{Badge, Kind, Story};
use crate::wire::item::{self, Item, ItemKind};

/// What became of consecutive tasks of a job.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// The index of the first task that is left.
    first: u64,
    /// How many are left.
    count: u64,
    /// What their arguments weighed while they were on their way.
    weight: usize,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Values(Values),
    /// The same error for each.
    Error(Story),
}

/// Room is made at once for so many values.
const FORESEEN: usize = 1 << 16;
/// Results, as a worker wrote them.
#[derive(Debug)]
pub(crate) struct Values {
    /// Items, of which the first `at` bytes were read.
    pub(crate) bytes: Vec<u8>,
    pub(crate) at: usize,
    /// What goes with those that say that something does.
    pub(crate) descriptors: VecDeque<Vec<OwnedFd>>,
    /// Those that were lent. One that is missing was none of the worker's.
    pub(crate) lent: VecDeque<Option<Borrowed>>,
    pub(crate) worker: Badge,
}

/// What a descriptor weighs, in bytes.
const DESCRIPTOR_WEIGHT: usize = 1 << 20;

impl Parcel {
    /// The results of `count` tasks.
    pub(crate) fn values(first: u64, count: u64, values: Values) -> Parcel {
        Parcel { first, count, weight: 0, body: Body::Values(values) }
    }

    /// The same bad end of `count` tasks.
    pub(crate) fn error(first: u64, count: u64, story: Story) -> Parcel {
        Parcel { first, count, weight: 0, body: Body::Error(story) }
    }

    /// Notes what the arguments weighed.
    pub(crate) fn weighing(mut self, weight: usize) -> Parcel {
        self.weight = weight;
        self
    }

    /// The index of the first task that is left.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// How many tasks are left.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// What the arguments weighed. From here on, nothing.
    pub(crate) fn take_weight(&mut self) -> usize {
        std::mem::take(&mut self.weight)
    }

    /// What the results weigh.
    pub(crate) fn result_weight(&self) -> usize {
        match &self.body {
            Body::Values(Values { bytes, descriptors, lent, .. }) => {
                let count: usize = descriptors.iter().map(Vec::len).sum();
                let lent: usize = lent.iter().flatten().map(|bytes| bytes.len()).sum();
                (bytes.len() + lent).saturating_add(count.saturating_mul(DESCRIPTOR_WEIGHT))
            }
            Body::Error(_) => 0,
        }
    }

    /// What became of the next task, and which it is.
    #[inline]
    pub(crate) fn next<R: DeserializeOwned>(&mut self) -> Option<(u64, Result<R, TaskError>)> {
        if self.count == 0 {
            return None;
        }
        let index = self.first;
        self.first += 1;
        self.count -= 1;
        let result = match &mut self.body {
            Body::Values(values) => values.next(index),
            Body::Error(story) => Err(TaskError::new(index, story.clone())),
        };
        Some((index, result))
    }

    /// Appends the values of all tasks that are left.
    pub(crate) fn unpack<R: DeserializeOwned>(mut self, values: &mut Vec<R>) -> Result<(), TaskError> {
        values.reserve(usize::try_from(self.count).unwrap_or(0).min(FORESEEN));
        while let Some((_, result)) = self.next() {
            values.push(result?);
        }
        Ok(())
    }

    /// Looks at what became of each task and leaves it there. Descriptors are duplicated.
    pub(crate) fn visit<R: DeserializeOwned>(&self, mut visit: impl FnMut(u64, Result<R, TaskError>)) {
        match &self.body {
            Body::Values(values) => {
                let (mut at, mut with, mut lent) = (values.at, values.descriptors.iter(), values.lent.iter());
                for index in self.first..self.first + self.count {
                    let descriptors = || with.next().into_iter().flatten().map(OwnedFd::try_clone).collect();
                    visit(index, values.read(index, &mut at, descriptors, || lent.next()?.as_deref()));
                }
            }
            Body::Error(story) => {
                (self.first..self.first + self.count)
                    .for_each(|index| visit(index, Err(TaskError::new(index, story.clone()))));
            }
        }
    }

    /// What its tasks failed with, if that is what it brings.
    pub(crate) fn failure(&self) -> Option<TaskError> {
        match &self.body {
            Body::Values(_) => None,
            Body::Error(story) => Some(TaskError::new(self.first, story.clone())),
        }
    }
}

impl Values {
    #[inline]
    fn next<R: DeserializeOwned>(&mut self, index: u64) -> Result<R, TaskError> {
        let Some(Item { kind: ItemKind::Value, body, len }) = self.bytes.get(self.at..).and_then(item::read) else {
            return self.next_unusual(index);
        };
        self.at += len;
        codec::decode_from(body, Vec::new()).map_err(|error| self.unreadable(index, error.to_string()))
    }

    #[cold]
    fn next_unusual<R: DeserializeOwned>(&mut self, index: u64) -> Result<R, TaskError> {
        let (mut descriptors, mut lent) = (mem::take(&mut self.descriptors), mem::take(&mut self.lent));
        let (mut at, mut borrowed) = (self.at, None);
        let result = self.read(
            index,
            &mut at,
            || Ok(descriptors.pop_front().unwrap_or_default()),
            || {
                borrowed = lent.pop_front().flatten();
                borrowed.as_deref()
            },
        );
        (self.at, self.descriptors, self.lent) = (at, descriptors, lent);
        result
    }

    /// Reads the next result, with descriptors and lent bytes where it says that there are some.
    fn read<'a, R: DeserializeOwned>(
        &self,
        index: u64,
        at: &mut usize,
        descriptors: impl FnOnce() -> io::Result<Vec<OwnedFd>>,
        lent: impl FnOnce() -> Option<&'a [u8]>,
    ) -> Result<R, TaskError> {
        while let Some(Item { kind, body, len }) = self.bytes.get(*at..).and_then(item::read) {
            *at += len;
            let decoded = match kind {
                ItemKind::Value => codec::decode_from(body, Vec::new()),
                ItemKind::WithDescriptors => {
                    let with = descriptors().map_err(|error| self.unreadable(index, error.to_string()))?;
                    codec::decode_from(body, with)
                }
                ItemKind::Lent => {
                    let text = || self.unreadable(index, "its worker did not lend what it says".to_owned());
                    codec::decode_from(lent().ok_or_else(text)?, Vec::new())
                }
                ItemKind::Trouble | ItemKind::Time => continue,
            };
            return decoded.map_err(|error| self.unreadable(index, error.to_string()));
        }
        Err(self.unreadable(index, "its worker did not say it".to_owned()))
    }

    #[cold]
    fn unreadable(&self, index: u64, text: String) -> TaskError {
        TaskError::new(index, Story::of(Some(self.worker.clone()), Kind::Unreadable(text)))
    }
}
