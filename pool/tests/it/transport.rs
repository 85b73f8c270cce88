//! What arguments and results may be: large, with descriptors, and sometimes not to be carried at all.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use procession_core::codec::Descriptor;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::agents::{DESCRIPTORS, skips};
use crate::support::{Block, pool};

/// A number that cannot be written when it is 13, and not be read when it is 14.
#[derive(Debug, PartialEq)]
struct Superstition(u32);

impl Serialize for Superstition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 13 { Err(S::Error::custom("13 is not written")) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Superstition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Superstition, D::Error> {
        match u32::deserialize(deserializer)? {
            14 => Err(D::Error::custom("14 is not read")),
            number => Ok(Superstition(number)),
        }
    }
}

#[test]
fn what_cannot_be_carried_is_an_error_of_its_item() {
    let pool = pool(2);
    let arguments = (10..20).map(Superstition);
    let errors: Vec<_> = pool.imap(|n: Superstition| n.0, arguments).filter_map(Result::err).collect();
    assert_eq!(errors.iter().map(|error| error.index()).collect::<Vec<_>>(), [3, 4]);
    assert!(errors.iter().all(|error| error.is_transport() && !error.started()));
    assert!(errors[0].to_string().contains("13 is not written"), "{}", errors[0]);
    assert!(errors[1].to_string().contains("14 is not read"), "{}", errors[1]);

    let errors: Vec<_> = pool.imap(Superstition, 10..20).filter_map(Result::err).collect();
    assert_eq!(errors.iter().map(|error| error.index()).collect::<Vec<_>>(), [3, 4]);
    assert!(errors.iter().all(|error| error.is_transport() && error.started()));
    assert!(errors[0].to_string().contains("13 is not written"), "{}", errors[0]);
    assert!(errors[1].to_string().contains("14 is not read"), "{}", errors[1]);
    assert_eq!(pool.map(Superstition, [1]).unwrap(), [Superstition(1)]);
}

#[test]
fn large_values_go_both_ways() {
    let pool = pool(2);
    let large: Vec<Block> = (1..=5_u8).map(|byte| Block(vec![byte; 5 << 20])).collect();
    let change = |mut block: Block| {
        block.0[7] *= 2;
        block
    };
    let changed = pool.map(change, large.clone()).unwrap();
    for (mut before, after) in large.into_iter().zip(changed) {
        before.0[7] *= 2;
        assert!(before == after);
    }
}

#[test]
fn descriptors_travel_with_their_items() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = pool(2);
    let (mut readers, mut items) = (Vec::new(), Vec::new());
    for n in 0..30_u32 {
        let (reader, writer) = std::io::pipe().unwrap();
        readers.push(reader);
        items.push((n, Descriptor::from(OwnedFd::from(writer))));
    }
    let write = |(n, writer): (u32, Descriptor)| {
        std::fs::File::from(OwnedFd::from(writer))
            .write_all(format!("item {n}").as_bytes())
            .map_err(|error| error.to_string())
    };
    assert!(pool.map(write, items).unwrap().iter().all(Result::is_ok));
    for (n, mut reader) in readers.into_iter().enumerate() {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("item {n}"));
    }
}

#[test]
fn results_may_be_descriptors_too() {
    if skips(DESCRIPTORS) {
        return;
    }
    let open = |text: String| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        Descriptor::from(OwnedFd::from(reader))
    };
    let pipes = pool(2).map(open, ["one".to_owned(), "two".to_owned()]).unwrap();
    let texts: Vec<String> = pipes
        .into_iter()
        .map(|pipe| {
            let mut text = String::new();
            std::fs::File::from(OwnedFd::from(pipe)).read_to_string(&mut text).unwrap();
            text
        })
        .collect();
    assert_eq!(texts, ["one", "two"]);
}

#[test]
fn too_many_descriptors_for_one_message_are_refused() {
    let pipe = std::io::pipe().unwrap().0;
    let many: Vec<Descriptor> = (0..3000).map(|_| Descriptor::from(OwnedFd::from(pipe.try_clone().unwrap()))).collect();
    let pool = pool(1);
    let error = pool.map(|many: Vec<Descriptor>| many.len(), [many]).unwrap_err();
    assert!(error.is_transport() && !error.started(), "{error}");
    assert_eq!(pool.map(|n: u8| n, [1]).unwrap(), [1]);
}

/// A number that cannot be written down when it is 3: it panics.
struct Jumpy(u32);

impl Serialize for Jumpy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert_ne!(self.0, 3, "not that one");
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Jumpy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Jumpy, D::Error> {
        u32::deserialize(deserializer).map(Jumpy)
    }
}

#[test]
fn an_argument_that_panics_while_it_is_written_is_left_out() {
    let pool = pool(2);
    let mut results = pool.imap_unordered(|n: Jumpy| n.0, (0..40).map(Jumpy));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| results.next().is_some()));
    assert!(caught.is_err(), "it is among the first that are read");
    let mut numbers: Vec<u32> = results.map(Result::unwrap).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..40).filter(|n| *n != 3).collect::<Vec<_>>());
}
