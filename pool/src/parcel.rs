//! [`Parcel`]: what became of consecutive tasks, on its way to the thread that wants to know.

use std::collections::VecDeque;
use std::io;

use procession_core::Buffer;
use procession_core::codec::{self, Handles};
use serde::de::DeserializeOwned;

use crate::TaskError;
use crate::guard;
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
    pub(crate) descriptors: VecDeque<Handles>,
    /// Those that were lent. One that is missing was none of the worker's.
    pub(crate) lent: VecDeque<Option<Buffer>>,
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
                let count: usize = descriptors.iter().map(Handles::len).sum();
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
        loop {
            self.unpack_row(values)?;
            let Some((_, result)) = self.next() else { return Ok(()) };
            values.push(result?);
        }
    }

    /// Appends the values of the next tasks, as far as they are small and nothing unusual goes with them.
    #[inline]
    fn unpack_row<R: DeserializeOwned>(&mut self, decoded: &mut Vec<R>) -> Result<(), TaskError> {
        let Body::Values(values) = &mut self.body else { return Ok(()) };
        let before = decoded.len();
        let most = usize::try_from(self.count).unwrap_or(usize::MAX);
        let rest = values.bytes.get(values.at..).unwrap_or_default();
        let read = guard::run(|| codec::decode_row(rest, most, decoded));
        let count = (decoded.len() - before) as u64;
        self.first += count;
        self.count -= count;
        let read = read.and_then(|read| read.map_err(|error| error.to_string()));
        values.at += read.map_err(|text| values.unreadable(self.first, text))?;
        Ok(())
    }

    /// Looks at what became of each task and leaves it there. Descriptors are duplicated.
    pub(crate) fn visit<R: DeserializeOwned>(&self, mut visit: impl FnMut(u64, Result<R, TaskError>)) {
        match &self.body {
            Body::Values(values) => {
                let (mut at, mut with, mut lent) = (values.at, values.descriptors.iter(), values.lent.iter());
                for index in self.first..self.first + self.count {
                    let found = find(&values.bytes, &mut at);
                    let with = found.filter(|(kind, _)| *kind == ItemKind::WithDescriptors).and_then(|_| with.next());
                    let with = with.map_or_else(|| Ok(Handles::new()), Handles::try_clone);
                    let lent = found.filter(|(kind, _)| *kind == ItemKind::Lent).and_then(|_| lent.next()?.as_deref());
                    visit(index, values.decode(index, found, with, lent));
                }
            }
            Body::Error(story) => {
                (self.first..self.first + self.count)
                    .for_each(|index| visit(index, Err(TaskError::new(index, story.clone()))));
            }
        }
    }

    /// Whether its tasks have failed.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self.body, Body::Error(_))
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
        decode(body, Handles::new()).map_err(|text| self.unreadable(index, text))
    }

    /// What it takes is taken before anything of the type's own runs, which may panic: then the next ones are still theirs.
    #[cold]
    fn next_unusual<R: DeserializeOwned>(&mut self, index: u64) -> Result<R, TaskError> {
        let found = find(&self.bytes, &mut self.at);
        let (mut with, mut lent) = (Handles::new(), None);
        match found {
            Some((ItemKind::WithDescriptors, _)) => with = self.descriptors.pop_front().unwrap_or_default(),
            Some((ItemKind::Lent, _)) => lent = self.lent.pop_front().flatten(),
            _ => {}
        }
        self.decode(index, found, Ok(with), lent.as_deref())
    }

    /// Decodes a result with what goes with it.
    fn decode<R: DeserializeOwned>(
        &self,
        index: u64,
        found: Option<(ItemKind, &[u8])>,
        with: io::Result<Handles>,
        lent: Option<&[u8]>,
    ) -> Result<R, TaskError> {
        let unreadable = |text: &dyn ToString| self.unreadable(index, text.to_string());
        let bytes = match found {
            None => return Err(unreadable(&"its worker did not say it")),
            Some((ItemKind::Lent, _)) => lent.ok_or_else(|| unreadable(&"its worker did not lend what it says"))?,
            Some((_, body)) => body,
        };
        decode(bytes, with.map_err(|error| unreadable(&error))?).map_err(|text| unreadable(&text))
    }

    #[cold]
    fn unreadable(&self, index: u64, text: String) -> TaskError {
        TaskError::new(index, Story::of(Some(self.worker.clone()), Kind::Unreadable(text)))
    }
}

/// Decodes a result, which is code of the user's. A panic of it is an error of this item, and nobody else's.
#[inline]
fn decode<R: DeserializeOwned>(bytes: &[u8], with: Handles) -> Result<R, String> {
    guard::run(|| codec::decode_from(bytes, with)).and_then(|decoded| decoded.map_err(|error| error.to_string()))
}

/// The next result at or after a place.
fn find<'a>(bytes: &'a [u8], at: &mut usize) -> Option<(ItemKind, &'a [u8])> {
    while let Some(Item { kind, body, len }) = bytes.get(*at..).and_then(item::read) {
        *at += len;
        if matches!(kind, ItemKind::Value | ItemKind::WithDescriptors | ItemKind::Lent) {
            return Some((kind, body));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use std::os::fd::OwnedFd;

    use procession_core::codec::Descriptor;
    use serde::{Deserialize, Deserializer};

    use super::*;
    use crate::wire::item::Head;

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

    /// What a worker would write.
    fn written<T: serde::Serialize>(value: T) -> Vec<u8> {
        codec::encode(&value).unwrap().into_parts().0.into_vec()
    }

    fn values(items: &[(ItemKind, &[u8])], descriptors: VecDeque<Handles>) -> Values {
        let bytes =
            items.iter().flat_map(|(kind, body)| [Head::new(*kind, body.len()).bytes(), body].concat()).collect();
        let worker = Badge { name: "worker".into(), pid: 1 };
        Values { bytes, at: 0, descriptors, lent: VecDeque::new(), worker }
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
        let mut unpacked: Vec<Vec<u8>> = Vec::new();
        Parcel::values(0, 3, values(&items, VecDeque::new())).unpack(&mut unpacked).unwrap();
        assert_eq!(unpacked, [vec![5], vec![1; 30], vec![6]]);

        let [yes, no] = [true, false].map(written);
        let items = [(ItemKind::Value, &yes[..]), (ItemKind::Value, &[9]), (ItemKind::Value, &no)];
        let mut unpacked: Vec<bool> = Vec::new();
        let error = Parcel::values(10, 3, values(&items, VecDeque::new())).unpack(&mut unpacked).unwrap_err();
        assert_eq!((unpacked, error.index()), (vec![true], 11));
    }

    #[test]
    fn a_panic_of_a_result_is_its_error_and_nobody_else_s() {
        let encoded = [1_u8, 7, 2].map(|number| codec::encode(&number).unwrap());
        let items = || values(&encoded.each_ref().map(|one| (ItemKind::Value, one.bytes())), VecDeque::new());
        let mut parcel = Parcel::values(10, 3, items());
        let results: Vec<_> = std::iter::from_fn(|| parcel.next::<Fragile>()).collect();
        assert_eq!((results[0].1.as_ref().unwrap(), results[2].1.as_ref().unwrap()), (&Fragile(1), &Fragile(2)));
        let error = results[1].1.as_ref().unwrap_err();
        assert!(error.index() == 11 && error.started() && error.to_string().contains("it panicked"), "{error}");

        let mut unpacked = Vec::new();
        let error = Parcel::values(10, 3, items()).unpack::<Fragile>(&mut unpacked).unwrap_err();
        assert_eq!((unpacked, error.index()), (vec![Fragile(1)], 11));
    }

    #[test]
    fn a_result_that_is_missing_is_an_error() {
        let mut unpacked: Vec<u8> = Vec::new();
        let parcel = Parcel::values(3, 2, values(&[(ItemKind::Value, &written(1_u8))], VecDeque::new()));
        let error = parcel.unpack(&mut unpacked).unwrap_err();
        assert_eq!((unpacked, error.index()), (vec![1], 4));
    }

    #[test]
    fn after_a_panic_of_one_result_the_next_has_its_own_descriptor() {
        let pipes = [std::io::pipe().unwrap().0, std::io::pipe().unwrap().0].map(OwnedFd::from);
        let second = pipes[1].as_raw_fd();
        let [breaks, holds] = [(7_u8, 0_u32), (8, 0)].map(written);
        let items = [(ItemKind::WithDescriptors, &breaks[..]), (ItemKind::WithDescriptors, &holds)];
        let mut parcel = Parcel::values(0, 2, values(&items, pipes.map(|pipe| vec![pipe].into()).into()));
        type Tagged = (Fragile, Descriptor);
        let (index, broken) = parcel.next::<Tagged>().unwrap();
        assert!(index == 0 && broken.unwrap_err().to_string().contains("it panicked: assertion"));
        let (index, result) = parcel.next::<Tagged>().unwrap();
        let (tag, descriptor) = result.unwrap();
        assert_eq!((index, tag), (1, Fragile(8)));
        assert_eq!(OwnedFd::from(descriptor).as_raw_fd(), second);
        assert!(parcel.next::<Tagged>().is_none());
    }
}
