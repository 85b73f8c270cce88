//! [`Parcel`]: what became of consecutive tasks, on its way to the thread that wants to know.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use procession_core::codec;
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
    /// Results as items.
    Values { bytes: Vec<u8>, at: usize, descriptors: VecDeque<Vec<OwnedFd>>, worker: Badge },
    /// The same error for each.
    Error(Story),
}

/// Room is made at once for so many values.
const FORESEEN: usize = 1 << 16;
/// What a descriptor weighs, in bytes.
const DESCRIPTOR_WEIGHT: usize = 1 << 20;

impl Parcel {
    /// The results of `count` tasks, as a worker wrote them, and what goes with those that say that something does.
    pub(crate) fn values(
        first: u64,
        count: u64,
        bytes: Vec<u8>,
        descriptors: VecDeque<Vec<OwnedFd>>,
        worker: Badge,
    ) -> Parcel {
        Parcel { first, count, weight: 0, body: Body::Values { bytes, at: 0, descriptors, worker } }
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
            Body::Values { bytes, descriptors, .. } => {
                let count: usize = descriptors.iter().map(Vec::len).sum();
                bytes.len().saturating_add(count.saturating_mul(DESCRIPTOR_WEIGHT))
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
            Body::Values { bytes, at, descriptors, worker } => {
                read(index, bytes, at, || Ok(descriptors.pop_front().unwrap_or_default()), worker)
            }
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
            Body::Values { bytes, at, descriptors, worker } => {
                let mut at = *at;
                let mut with = descriptors.iter().map(|ones| ones.iter().map(OwnedFd::try_clone).collect());
                for index in self.first..self.first + self.count {
                    visit(index, read(index, bytes, &mut at, || with.next().unwrap_or(Ok(Vec::new())), worker));
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
            Body::Values { .. } => None,
            Body::Error(story) => Some(TaskError::new(self.first, story.clone())),
        }
    }
}

#[inline]
fn read<R: DeserializeOwned>(
    index: u64,
    bytes: &[u8],
    at: &mut usize,
    descriptors: impl FnOnce() -> io::Result<Vec<OwnedFd>>,
    worker: &Badge,
) -> Result<R, TaskError> {
    while let Some(Item { kind, body, len }) = bytes.get(*at..).and_then(item::read) {
        *at += len;
        let with = match kind {
            ItemKind::Value => Vec::new(),
            ItemKind::WithDescriptors => descriptors().map_err(|error| unreadable(index, worker, error.to_string()))?,
            ItemKind::Trouble | ItemKind::Time => continue,
        };
        return codec::decode_from(body, with).map_err(|error| unreadable(index, worker, error.to_string()));
    }
    Err(unreadable(index, worker, "its worker did not say it".to_owned()))
}

#[cold]
fn unreadable(index: u64, worker: &Badge, text: String) -> TaskError {
    TaskError::new(index, Story::of(Some(worker.clone()), Kind::Unreadable(text)))
}
