//! [`CallBatch`]: a function applied to many short arguments, one after another.
//!
//! ```text
//! n     one byte: how long the value is, at most MAX_SHORT
//! body  n bytes
//! n     ...
//! ```
//!
//! What one call costs beyond the function is some thirty instructions, if nothing stands between two of them: so the loop over
//! the arguments is compiled together with the function's types, like the decoding of its argument. Each result is published
//! before the value that it encodes is dropped and the next call begins, and a worker that dies in the middle has lost that call alone.

use std::mem::needs_drop;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bytes::codec::short::{MAX_SHORT, short};
use crate::bytes::codec::{self, Handles};
use crate::code::call_error::CallError;
use crate::code::pending_drop::PendingDrop;
use crate::memory::ring::Ring;

/// What [`Function::call_batch`](crate::code::function::Function::call_batch) works on.
///
/// The arguments, and likewise the results, lie one behind another, each behind one byte that says how long it is. That is at
/// most 23 bytes: what has a larger number before it is no short value, and the row ends there.
///
/// ```
/// use procession_core::codec::{Handles, append, decode_row};
/// use procession_core::{Function, Progress, PendingDrop, Ring, CallBatch};
///
/// let double = Function::of(|n: u8| n * 2)?;
/// let mut results = Ring::with_label("procession: example", 4096)?;
/// let (mut passed, mut last) = (Progress::default(), Vec::new());
/// let mut arguments = Vec::new();
/// for number in [20_u8, 21] {
///     let mut value = Vec::new();
///     append(&number, &mut value)?;
///     arguments.push(value.len() as u8);
///     arguments.extend(value);
/// }
/// let row = CallBatch {
///     arguments: &arguments,
///     max: 10,
///     passed: &mut passed,
///     results: &mut results,
///     descriptors: &mut Handles::new(),
///     last: &mut last,
///     remains: &mut PendingDrop::default(),
///     parting: &mut false,
/// };
/// assert!(!double.call_batch(row)?, "no result was left over");
/// assert_eq!((passed.count, passed.bytes), (2, arguments.len()));
///
/// let (mut read, mut values) = (Vec::new(), Vec::<u8>::new());
/// results.read(&mut read);
/// decode_row(&read, 10, &mut values)?;
/// assert_eq!(values, [40, 42]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CallBatch<'a> {
    /// Arguments one behind another.
    pub arguments: &'a [u8],
    /// How many of them are to be passed at most.
    pub max: u64,
    /// How many were passed. It is right at every moment, also after a panic of the function.
    pub passed: &'a mut Progress,
    /// Where each result is written and published.
    pub results: &'a mut Ring,
    /// What goes with the result that is left in `last`.
    pub descriptors: &'a mut Handles,
    /// A buffer behind whose content each result is encoded, after one byte for its length.
    pub last: &'a mut Vec<u8>,
    /// What the last call returned, if its result is left in `last`.
    pub remains: &'a mut PendingDrop,
    /// Whether the value of a result that was published is being dropped. After a panic it says that the last call that was passed
    /// has panicked after its result was out, and not the next one.
    pub parting: &'a mut bool,
}

/// How far one has come in a [`CallBatch`]: calls of which the result is in the ring.
///
/// ```
/// use procession_core::Progress;
///
/// assert_eq!(Progress::default(), Progress { count: 0, bytes: 0 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many arguments.
    pub count: u64,
    /// How many bytes they took up.
    pub bytes: usize,
}

impl CallBatch<'_> {
    /// Calls the function as long as arguments and results are short. Returns whether the last call's result was left in the
    /// buffer, because it could not go into the ring.
    #[inline]
    pub(crate) fn run<A: DeserializeOwned, R: Serialize>(&mut self, function: fn(A) -> R) -> Result<bool, CallError> {
        let begin = self.last.len();
        // This process becomes the writer before a function can copy it: a copy would else be the first to write, and the only one.
        let _room = self.results.fits(0);
        while self.passed.count < self.max
            && let Some(argument) = self.arguments.get(self.passed.bytes..).and_then(short)
        {
            let value = codec::decode_from(argument, Handles::new()).map_err(CallError::Argument)?;
            self.last.truncate(begin);
            // A place for the length, so that a result that is left to the caller has the form of the others.
            self.last.push(0);
            let returned = function(value);
            let descriptors = codec::append(&returned, self.last).map_err(CallError::Result)?;
            let len = self.last.len() - begin;
            // `fits` comes last, since it may have to load the word that the reader writes to.
            if len > 1 + MAX_SHORT || !descriptors.is_empty() || !self.results.fits(len) {
                *self.descriptors = descriptors;
                *self.remains = PendingDrop::of(returned);
                return Ok(true);
            }
            // The byte and the value apart: a processor is slow to load at once what it has just stored in two steps.
            self.results.write_whole(&[(len - 1) as u8]);
            self.results.write_whole(&self.last[begin + 1..]);
            self.results.publish_whole();
            // After the publication: if the drop below panics, this call counts as passed, and its result is out.
            self.passed.count += 1;
            self.passed.bytes += 1 + argument.len();
            // Without a drop the two stores of the flag are left out of the loop.
            if needs_drop::<R>() {
                *self.parting = true;
                drop(returned);
                *self.parting = false;
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::codec::Descriptor;
    use crate::code::function::Function;

    /// Values as they lie in a row.
    fn row<T: Serialize>(values: impl IntoIterator<Item = T>) -> Vec<u8> {
        let values = values.into_iter().map(|value| codec::encode(&value).unwrap().into_parts().0.into_vec());
        values.flat_map(|value| [vec![value.len() as u8], value].concat()).collect()
    }

    /// What is left over, how far it went, and what the ring holds.
    fn run(
        function: Function,
        arguments: &[u8],
        max: u64,
        room: usize,
    ) -> (Result<bool, String>, Progress, Vec<u8>, Vec<u8>) {
        let mut results = Ring::with_label("procession: test", room).unwrap();
        let (mut passed, mut last, mut descriptors) = (Progress::default(), vec![7], Handles::new());
        let row = CallBatch {
            arguments,
            max,
            passed: &mut passed,
            results: &mut results,
            descriptors: &mut descriptors,
            last: &mut last,
            remains: &mut PendingDrop::default(),
            parting: &mut false,
        };
        let outcome = function.call_batch(row).map_err(|error| error.to_string());
        let mut read = Vec::new();
        results.read(&mut read);
        (outcome, passed, last, read)
    }

    #[test]
    fn it_ends_after_so_many() {
        let next = Function::of(|n: u8| n + 1).unwrap();
        let (outcome, passed, _, read) = run(next, &row([1_u8, 2, 3]), 2, 4096);
        let two = row([2_u8, 3]);
        assert_eq!((outcome, passed, read), (Ok(false), Progress { count: 2, bytes: two.len() }, two));
    }

    #[test]
    fn it_ends_before_what_is_not_whole() {
        let next = Function::of(|n: u8| n + 1).unwrap();
        for broken in [&[24, 0][..], &[2, 0], &[255], &[]] {
            let (outcome, passed, _, read) = run(next, &[&row([1_u8]), broken].concat(), 9, 4096);
            assert_eq!((outcome, passed.count, read), (Ok(false), 1, row([2_u8])), "{broken:?}");
        }
    }

    #[test]
    fn a_result_that_is_not_short_is_left_over() {
        let repeat = Function::of(|n: u8| vec![n; usize::from(n)]).unwrap();
        let (outcome, passed, last, read) = run(repeat, &row([2_u8, 23, 1]), 9, 4096);
        assert_eq!((outcome, passed.count, read), (Ok(true), 1, row([[2_u8; 2].as_slice()])));
        let long = codec::encode(&[23_u8; 23].as_slice()).unwrap();
        assert_eq!(last, [&[7, 0], long.bytes()].concat(), "behind what the buffer held and a byte for its length");
    }

    #[test]
    fn a_result_without_room_is_left_over() {
        let long = Function::of(|n: u8| [n; 20]).unwrap();
        let value = codec::encode(&[1_u8; 20]).unwrap();
        let (outcome, passed, last, read) = run(long, &row([1_u8; 9]), 9, 64);
        let fit = 64 / (1 + value.bytes().len());
        assert_eq!((outcome, passed.count, read), (Ok(true), fit as u64, row(vec![[1_u8; 20]; fit])));
        assert_eq!(last, [&[7, 0], value.bytes()].concat());
    }

    #[test]
    fn a_result_with_a_descriptor_is_left_over() {
        let pipe = Function::of(|n: u8| (n, Descriptor::from(std::os::fd::OwnedFd::from(std::io::pipe().unwrap().0))))
            .unwrap();
        let (outcome, passed, last, read) = run(pipe, &row([5_u8, 6]), 9, 4096);
        assert_eq!((outcome, passed.count, &last[..4], read), (Ok(true), 0, &[7, 0, 5, 0][..], vec![]));
    }

    #[test]
    fn an_argument_that_does_not_decode_is_an_error_and_not_passed() {
        let next = Function::of(|n: bool| !n).unwrap();
        let arguments = [row([true]), row([9_u8]), row([false])].concat();
        let (outcome, passed, _, read) = run(next, &arguments, 9, 4096);
        assert!(outcome.unwrap_err().contains("was not called"));
        assert_eq!((passed.count, read), (1, row([false])));
    }

    #[test]
    fn a_panic_leaves_what_was_passed_right() {
        let check = Function::of(|n: u8| assert!(n < 3, "too large")).unwrap();
        let mut results = Ring::with_label("procession: test", 4096).unwrap();
        let mut passed = Progress::default();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            check.call_batch(CallBatch {
                arguments: &row([1_u8, 2, 3, 1]),
                max: 9,
                passed: &mut passed,
                results: &mut results,
                descriptors: &mut Handles::new(),
                last: &mut Vec::new(),
                remains: &mut PendingDrop::default(),
                parting: &mut false,
            })
        }));
        assert!(caught.is_err());
        assert_eq!(passed, Progress { count: 2, bytes: row([1_u8, 2]).len() });
        let mut read = Vec::new();
        results.read(&mut read);
        assert_eq!(read, [0, 0], "two results of no bytes");
    }

    /// A byte that panics when it is dropped, if it is even.
    struct Odd(u8);

    impl serde::Serialize for Odd {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.serialize(serializer)
        }
    }

    impl Drop for Odd {
        fn drop(&mut self) {
            assert!(self.0 % 2 == 1, "even");
        }
    }

    #[test]
    fn a_result_is_out_before_its_value_is_dropped_and_a_panic_of_that_differs_from_one_of_the_next_call() {
        let odd = Function::of(|n: u8| Odd(n)).unwrap();
        let mut results = Ring::with_label("procession: test", 4096).unwrap();
        let (mut passed, mut parting) = (Progress::default(), false);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            odd.call_batch(CallBatch {
                arguments: &row([1_u8, 2, 3]),
                max: 9,
                passed: &mut passed,
                results: &mut results,
                descriptors: &mut Handles::new(),
                last: &mut Vec::new(),
                remains: &mut PendingDrop::default(),
                parting: &mut parting,
            })
        }));
        assert!(caught.is_err() && parting, "{caught:?}");
        let two = row([1_u8, 2]);
        assert_eq!(passed, Progress { count: 2, bytes: two.len() });
        let mut read = Vec::new();
        results.read(&mut read);
        assert_eq!(read, two);
    }
}
