//! [`ResultBatch`]: the outcomes of consecutive tasks, on their way to the thread that asked for them.
//!
//! Results are decoded on the thread that takes them, without the pool's lock. A worker wrote the bytes, so a value that is
//! missing or cannot be decoded is an error of its task and of no other.

use std::collections::VecDeque;
use std::io;

use procession_core::Buffer;
use procession_core::codec::{self, DecodeError, Handles};
use serde::de::DeserializeOwned;

use super::item::{self, Item, ItemKind};
use crate::model::catch::catch;
use crate::model::failure_info::{FailureInfo, FailureKind, WorkerInfo};
use crate::model::task_error::TaskError;
use crate::model::tuning::{DESCRIPTOR_WEIGHT, MAX_RESERVED_BATCH};

/// The outcomes of consecutive tasks of a job.
#[derive(Debug)]
pub(crate) struct ResultBatch {
    /// The index of the first task that is left.
    first: u64,
    /// The number of tasks that are left.
    count: u64,
    /// The weight of their arguments in bytes.
    weight: usize,
    body: Body,
}

/// The outcomes: values that were not decoded, or one failure for all.
#[derive(Debug)]
enum Body {
    Results(RawResults),
    /// The same error for each task.
    Error(FailureInfo),
}

/// Results as a worker wrote them.
#[derive(Debug)]
pub(crate) struct RawResults {
    /// The inbound buffer, or a copy of a part. The first `offset` bytes were read.
    pub(crate) bytes: Vec<u8>,
    pub(crate) offset: usize,
    /// The descriptors of those items that announce some.
    pub(crate) descriptors: VecDeque<Handles>,
    /// The buffers of those items that lie in one. `None` if the worker's handle was invalid.
    pub(crate) buffers: VecDeque<Option<Buffer>>,
    pub(crate) worker: WorkerInfo,
}

impl ResultBatch {
    /// Returns the results of `count` tasks.
    pub(crate) fn values(first: u64, count: u64, results: RawResults) -> ResultBatch {
        ResultBatch { first, count, weight: 0, body: Body::Results(results) }
    }

    /// Returns the same failure for `count` tasks.
    pub(crate) fn error(first: u64, count: u64, failure: FailureInfo) -> ResultBatch {
        ResultBatch { first, count, weight: 0, body: Body::Error(failure) }
    }

    /// Records the weight of the arguments.
    pub(crate) fn with_weight(mut self, weight: usize) -> ResultBatch {
        self.weight = weight;
        self
    }

    /// Returns the index of the first task that is left.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Returns the number of tasks that are left.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the weight of the arguments, and sets it to zero.
    pub(crate) fn take_weight(&mut self) -> usize {
        std::mem::take(&mut self.weight)
    }

    /// Returns the weight of the results in bytes.
    pub(crate) fn result_weight(&self) -> usize {
        let Body::Results(RawResults { bytes, offset, descriptors, buffers, .. }) = &self.body else { return 0 };
        let count: usize = descriptors.iter().map(Handles::len).sum();
        let in_buffers: usize = buffers.iter().flatten().map(|bytes| bytes.len()).sum();
        (bytes.len() - offset + in_buffers).saturating_add(count.saturating_mul(DESCRIPTOR_WEIGHT))
    }

    /// Removes the next task and returns its index and outcome.
    #[inline]
    pub(crate) fn next<R: DeserializeOwned>(&mut self) -> Option<(u64, Result<R, TaskError>)> {
        if self.count == 0 {
            return None;
        }
        let index = self.first;
        self.first += 1;
        self.count -= 1;
        let result = match &mut self.body {
            Body::Results(results) => results.next(index),
            Body::Error(failure) => Err(TaskError::new(index, failure.clone())),
        };
        Some((index, result))
    }

    /// Appends the values of all tasks that are left.
    pub(crate) fn decode_into<R: DeserializeOwned>(mut self, values: &mut Vec<R>) -> Result<(), TaskError> {
        values.reserve(usize::try_from(self.count).unwrap_or(0).min(MAX_RESERVED_BATCH));
        loop {
            // A loop over short values, then one of another kind, by turns.
            self.decode_short(values)?;
            let Some((_, result)) = self.next() else { return Ok(()) };
            values.push(result?);
        }
    }

    /// Appends the values of the next tasks as far as they are small and come without descriptors, in one loop.
    #[inline]
    fn decode_short<R: DeserializeOwned>(&mut self, decoded: &mut Vec<R>) -> Result<(), TaskError> {
        let Body::Results(results) = &mut self.body else { return Ok(()) };
        let before = decoded.len();
        let max = usize::try_from(self.count).unwrap_or(usize::MAX);
        let rest = results.bytes.get(results.offset..).unwrap_or_default();
        let read = catch(|| codec::decode_row(rest, max, decoded));
        // What was decoded before a panic counts.
        let count = (decoded.len() - before) as u64;
        self.first += count;
        self.count -= count;
        let read = read.and_then(|read| read.map_err(|error| error.to_string()));
        results.offset += read.map_err(|text| results.unreadable(self.first, text))?;
        Ok(())
    }

    /// Calls `visit` with each task's outcome and leaves the batch as it is. Descriptors are duplicated.
    pub(crate) fn visit<R: DeserializeOwned>(&self, mut visit: impl FnMut(u64, Result<R, TaskError>)) {
        let indices = self.first..self.first + self.count;
        match &self.body {
            Body::Results(results) => {
                let (mut offset, mut descriptors) = (results.offset, results.descriptors.iter());
                let mut buffers = results.buffers.iter();
                for index in indices {
                    let found = find(&results.bytes, &mut offset);
                    let is = |kind| found.is_some_and(|(found, _)| found == kind);
                    let with = if is(ItemKind::WithDescriptors) { descriptors.next() } else { None };
                    let with = with.map_or_else(|| Ok(Handles::new()), Handles::try_clone);
                    let buffer = if is(ItemKind::InBuffer) { buffers.next() } else { None };
                    visit(index, results.decode(index, found, with, buffer.and_then(Option::as_deref)));
                }
            }
            Body::Error(failure) => indices.for_each(|index| visit(index, Err(TaskError::new(index, failure.clone())))),
        }
    }

    /// Returns whether its tasks have failed.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self.body, Body::Error(_))
    }

    /// Returns the error of its first task, if its tasks have failed.
    pub(crate) fn failure(&self) -> Option<TaskError> {
        match &self.body {
            Body::Results(_) => None,
            Body::Error(failure) => Some(TaskError::new(self.first, failure.clone())),
        }
    }
}

impl RawResults {
    /// Removes and decodes the next result.
    #[inline]
    fn next<R: DeserializeOwned>(&mut self, index: u64) -> Result<R, TaskError> {
        let item = self.bytes.get(self.offset..).and_then(item::read);
        let Some(Item { kind: ItemKind::Value, body, len }) = item else { return self.next_unusual(index) };
        self.offset += len;
        // The empty table is made where it is used: to be passed on it would be copied, which waits for the stores that made it.
        decode(|| codec::decode_from(body, Handles::new())).map_err(|text| self.unreadable(index, text))
    }

    /// The same for a result with descriptors or in a buffer, and for one behind an item of another kind.
    #[cold]
    fn next_unusual<R: DeserializeOwned>(&mut self, index: u64) -> Result<R, TaskError> {
        let found = find(&self.bytes, &mut self.offset);
        // Taken before decoding, so that a panic in the user's `Deserialize` does not shift them to the next value.
        let (mut with, mut buffer) = (Handles::new(), None);
        match found {
            Some((ItemKind::WithDescriptors, _)) => with = self.descriptors.pop_front().unwrap_or_default(),
            Some((ItemKind::InBuffer, _)) => buffer = self.buffers.pop_front().flatten(),
            _ => {}
        }
        self.decode(index, found, Ok(with), buffer.as_deref())
    }

    /// Decodes a result with its descriptors and its buffer.
    fn decode<R: DeserializeOwned>(
        &self,
        index: u64,
        found: Option<(ItemKind, &[u8])>,
        with: io::Result<Handles>,
        buffer: Option<&[u8]>,
    ) -> Result<R, TaskError> {
        let unreadable = |text: &dyn ToString| self.unreadable(index, text.to_string());
        let bytes = match found {
            None => return Err(unreadable(&"its worker did not send it")),
            Some((ItemKind::InBuffer, _)) => buffer.ok_or_else(|| unreadable(&"its buffer is not the worker's"))?,
            Some((_, body)) => body,
        };
        let with = with.map_err(|error| unreadable(&error))?;
        decode(|| codec::decode_from(bytes, with)).map_err(|text| unreadable(&text))
    }

    /// Returns the error of a result that cannot be decoded. It names the worker.
    #[cold]
    fn unreadable(&self, index: u64, text: String) -> TaskError {
        TaskError::new(index, FailureInfo::of(Some(self.worker.clone()), FailureKind::Unreadable(text)))
    }
}

/// Calls what decodes a result, which runs code of the user's: a panic becomes the error of this task alone.
#[inline]
fn decode<R>(read: impl FnOnce() -> Result<R, DecodeError>) -> Result<R, String> {
    catch(read).and_then(|decoded| decoded.map_err(|error| error.to_string()))
}

/// Returns the next result at or after `offset`, which moves behind it.
fn find<'a>(bytes: &'a [u8], offset: &mut usize) -> Option<(ItemKind, &'a [u8])> {
    while let Some(Item { kind, body, len }) = bytes.get(*offset..).and_then(item::read) {
        *offset += len;
        if matches!(kind, ItemKind::Value | ItemKind::WithDescriptors | ItemKind::InBuffer) {
            return Some((kind, body));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsRawFd, OwnedFd};

    use procession_core::codec::Descriptor;
    use serde::{Deserialize, Deserializer};

    use super::*;
    use crate::wire::item::ItemHead;

    /// A number that panics when it is read as 7.
    #[derive(Debug, PartialEq)]
    struct Fragile(u8);

    impl<'de> Deserialize<'de> for Fragile {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fragile, D::Error> {
            let number = u8::deserialize(deserializer)?;
            assert_ne!(number, 7, "it breaks");
            Ok(Fragile(number))
        }
    }

    /// Encodes a value as a worker does.
    fn written<T: serde::Serialize>(value: T) -> Vec<u8> {
        codec::encode(&value).unwrap().into_parts().0.into_vec()
    }

    fn results(items: &[(ItemKind, &[u8])], descriptors: VecDeque<Handles>) -> RawResults {
        let bytes =
            items.iter().flat_map(|(kind, body)| [ItemHead::new(*kind, body.len()).bytes(), body].concat()).collect();
        let worker = WorkerInfo { name: "worker".into(), pid: 1, host: None };
        RawResults { bytes, offset: 0, descriptors, buffers: VecDeque::new(), worker }
    }

    #[test]
    fn small_and_large_values_and_errors_come_in_order() {
        let [first, long, last] = [vec![5_u8], vec![1; 30], vec![6]].map(written);
        let items = [
            (ItemKind::Value, &first[..]),
            (ItemKind::Time, &[0; 8]),
            (ItemKind::Value, &long),
            (ItemKind::Value, &last),
        ];
        let mut decoded: Vec<Vec<u8>> = Vec::new();
        ResultBatch::values(0, 3, results(&items, VecDeque::new())).decode_into(&mut decoded).unwrap();
        assert_eq!(decoded, [vec![5], vec![1; 30], vec![6]]);

        let [yes, no] = [true, false].map(written);
        let items = [(ItemKind::Value, &yes[..]), (ItemKind::Value, &[9]), (ItemKind::Value, &no)];
        let mut decoded: Vec<bool> = Vec::new();
        let batch = ResultBatch::values(10, 3, results(&items, VecDeque::new()));
        let error = batch.decode_into(&mut decoded).unwrap_err();
        assert_eq!((decoded, error.index()), (vec![true], 11));
    }

    #[test]
    fn a_batch_ends_with_its_count_whatever_lies_behind() {
        let [first, second, other] = [1_u8, 2, 3].map(written);
        let items = [&first, &second, &other].map(|body| (ItemKind::Value, &body[..]));
        let mut raw = results(&items, VecDeque::new());
        raw.offset = 1 + first.len();
        let mut batch = ResultBatch::values(1, 1, raw);
        assert_eq!(batch.next::<u8>().map(|(index, result)| (index, result.unwrap())), Some((1, 2)));
        assert!(batch.next::<u8>().is_none());
    }

    #[test]
    fn a_panic_in_decoding_is_the_error_of_its_own_task() {
        let encoded = [1_u8, 7, 2].map(written);
        let items = || results(&encoded.each_ref().map(|one| (ItemKind::Value, &one[..])), VecDeque::new());
        let mut batch = ResultBatch::values(10, 3, items());
        let all: Vec<_> = std::iter::from_fn(|| batch.next::<Fragile>()).collect();
        assert_eq!((all[0].1.as_ref().unwrap(), all[2].1.as_ref().unwrap()), (&Fragile(1), &Fragile(2)));
        let error = all[1].1.as_ref().unwrap_err();
        assert!(error.index() == 11 && error.started() && error.to_string().contains("it panicked"), "{error}");

        let mut decoded = Vec::new();
        let error = ResultBatch::values(10, 3, items()).decode_into::<Fragile>(&mut decoded).unwrap_err();
        assert_eq!((decoded, error.index()), (vec![Fragile(1)], 11));
    }

    #[test]
    fn a_missing_result_is_an_error() {
        let mut decoded: Vec<u8> = Vec::new();
        let batch = ResultBatch::values(3, 2, results(&[(ItemKind::Value, &written(1_u8))], VecDeque::new()));
        let error = batch.decode_into(&mut decoded).unwrap_err();
        assert_eq!((decoded, error.index()), (vec![1], 4));
    }

    #[test]
    fn after_a_panic_of_one_result_the_next_has_its_own_descriptor() {
        let pipes = [std::io::pipe().unwrap().0, std::io::pipe().unwrap().0].map(OwnedFd::from);
        let second = pipes[1].as_raw_fd();
        let [breaks, holds] = [(7_u8, 0_u32), (8, 0)].map(written);
        let items = [(ItemKind::WithDescriptors, &breaks[..]), (ItemKind::WithDescriptors, &holds)];
        let mut batch = ResultBatch::values(0, 2, results(&items, pipes.map(|pipe| vec![pipe].into()).into()));
        type Tagged = (Fragile, Descriptor);
        let (index, broken) = batch.next::<Tagged>().unwrap();
        assert!(index == 0 && broken.unwrap_err().to_string().contains("it panicked: assertion"));
        let (index, result) = batch.next::<Tagged>().unwrap();
        let (tag, descriptor) = result.unwrap();
        assert_eq!((index, tag), (1, Fragile(8)));
        assert_eq!(OwnedFd::from(descriptor).as_raw_fd(), second);
        assert!(batch.next::<Tagged>().is_none());
    }
}
