//! What can run in another process: functions, generic functions, methods, closures; and what cannot.

use std::collections::BTreeMap;

use procession_process::{Process, SpawnError};
use serde::{Deserialize, Serialize};

use crate::support::METHODS;

fn largest<T: Ord>(items: Vec<T>) -> Option<T> {
    items.into_iter().max()
}

/// P05: what Python does with a subclass that has a `run`.
#[derive(Serialize, Deserialize)]
struct Counter<T> {
    items: Vec<T>,
}

impl<T: Ord> Counter<T> {
    fn run(self) -> BTreeMap<T, usize> {
        let mut counts = BTreeMap::new();
        self.items.into_iter().for_each(|item| *counts.entry(item).or_default() += 1);
        counts
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Complaint {
    Negative(i64),
    Large { by: u64 },
}

fn checked(n: i64) -> Result<u8, Complaint> {
    let n = u64::try_from(n).map_err(|_| Complaint::Negative(n))?;
    u8::try_from(n).map_err(|_| Complaint::Large { by: n - 255 })
}

#[test]
fn p01_functions_generics_methods_closures_and_tuples() {
    for method in METHODS {
        let start = || Process::builder().start_method(method);
        assert_eq!(start().spawn(largest, vec![3, 1, 4]).unwrap().join().unwrap(), Some(4));
        let words = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(start().spawn(largest, words).unwrap().join().unwrap().unwrap(), "b");
        let counter = Counter { items: vec!['x', 'y', 'x'] };
        let counts = start().spawn(Counter::run, counter).unwrap().join().unwrap();
        assert_eq!(counts, BTreeMap::from([('x', 2), ('y', 1)]));
        let sum = start().spawn(|(a, b, c): (u8, i64, f64)| f64::from(a) + b as f64 + c, (1, -2, 0.5)).unwrap();
        assert_eq!(sum.join().unwrap(), -0.5);
    }
}

#[test]
fn functions_of_the_standard_library_and_of_a_trait_run_as_well() {
    assert_eq!(Process::spawn(u64::count_ones, 7).unwrap().join().unwrap(), 3);
    assert_eq!(Process::spawn(<u8 as Into<u64>>::into, 7).unwrap().join().unwrap(), 7);
    assert_eq!(Process::spawn(String::from_utf8_lossy_owned_like, vec![b'x']).unwrap().join().unwrap(), "x");
}

/// A method of a foreign type, by a trait of ours.
trait Lossy {
    fn from_utf8_lossy_owned_like(bytes: Vec<u8>) -> String;
}

impl Lossy for String {
    fn from_utf8_lossy_owned_like(bytes: Vec<u8>) -> String {
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[test]
fn an_error_of_the_function_comes_back_as_it_is() {
    let outcomes = [5, -3, 300].map(|n| Process::spawn(checked, n).unwrap());
    let [good, negative, large] = outcomes.each_ref().map(|process| process.join().unwrap());
    assert_eq!((good, negative, large), (Ok(5), Err(Complaint::Negative(-3)), Err(Complaint::Large { by: 45 })));
    // The function returned, so nothing went wrong with the process.
    assert!(outcomes.iter().all(|process| process.exit_code() == Some(0)));
}

/// Refuses to be written down.
#[derive(Debug, Deserialize)]
struct Shy;

impl Serialize for Shy {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("too shy to be seen"))
    }
}

/// Refuses to be read.
#[derive(Debug, Serialize)]
struct Illegible(u8);

impl<'de> Deserialize<'de> for Illegible {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Illegible, D::Error> {
        let byte = u8::deserialize(deserializer)?;
        Err(serde::de::Error::custom(format!("{byte} cannot be read")))
    }
}

#[test]
fn an_argument_that_cannot_be_sent_is_an_error_at_once() {
    let error = Process::spawn(|_: Shy| (), Shy).unwrap_err();
    assert!(matches!(error, SpawnError::Argument(_)), "{error}");
    assert!(error.to_string().contains("too shy to be seen"), "{error}");
}

#[test]
fn an_argument_that_cannot_be_read_keeps_its_reason() {
    let process = Process::spawn(|_: Illegible| (), Illegible(7)).unwrap();
    let error = process.join().unwrap_err();
    assert!(error.to_string().contains("7 cannot be read"), "{error}");
    assert_eq!(process.exit_code(), Some(1));
}

#[test]
fn a_result_that_cannot_be_sent_keeps_its_reason() {
    let process = Process::spawn(|()| Shy, ()).unwrap();
    let error = process.join().unwrap_err();
    assert!(error.to_string().contains("too shy to be seen"), "{error}");
    assert_eq!(process.exit_code(), Some(1));
}

#[test]
fn a_result_that_cannot_be_read_keeps_its_reason() {
    let process = Process::spawn(|()| Illegible(9), ()).unwrap();
    let error = process.join().unwrap_err();
    assert!(error.to_string().contains("9 cannot be read"), "{error}");
    // Nothing is wrong with the process itself.
    assert!(process.exit_status().unwrap().success());
}
