//! Bytes that no honest peer would send: they cost neither memory nor the process.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::thread;

use procession_core::codec::{Descriptor, Message, decode_from, encode};
use procession_core::{Blob, Mapping};
use proptest::prelude::*;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A number as the format writes lengths.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

type Everything = (
    Vec<BTreeMap<String, Option<u64>>>,
    HashSet<i128>,
    Result<char, bool>,
    [Vec<()>; 2],
    (Message, Option<Descriptor>, Option<Mapping>, Option<Blob>),
);

proptest! {
    /// Nothing but an error can come of garbage: no panic, no fault, no end of memory.
    #[test]
    fn garbage_does_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_from::<Everything>(&bytes, Vec::new());
    }

    /// Small numbers get further into the value than random bytes do.
    #[test]
    fn plausible_garbage_does_no_harm(bytes in proptest::collection::vec(0..4u8, 0..200)) {
        let _ = decode_from::<Everything>(&bytes, Vec::new());
    }
}

#[test]
fn a_length_beyond_the_message_is_an_error() {
    for length in [1 << 30, 1 << 40, u64::MAX] {
        let mut bytes = varint(length);
        bytes.extend([0; 10]);
        assert!(decode_from::<Vec<u64>>(&bytes, Vec::new()).is_err());
        assert!(decode_from::<String>(&bytes, Vec::new()).is_err());
        assert!(decode_from::<BTreeMap<u8, u8>>(&bytes, Vec::new()).is_err());
        assert!(decode_from::<Message>(&[&[0][..], &bytes].concat(), Vec::new()).is_err());
    }
}

/// Without a bound, this would count to 2^64.
#[test]
fn an_endless_sequence_of_nothing_is_an_error() {
    let error = decode_from::<Vec<()>>(&varint(u64::MAX), Vec::new()).unwrap_err();
    assert!(error.message().contains("more than the message has room for"), "{error}");
}

/// All entries of a map, also those of equal keys.
struct Entries(Vec<((), Wide)>);

/// Takes up memory, and no byte of a message.
struct Wide {
    _room: [u128; 32],
}

impl<'de> Deserialize<'de> for Wide {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <()>::deserialize(deserializer).map(|()| Wide { _room: [0; 32] })
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keep;
        impl<'de> Visitor<'de> for Keep {
            type Value = Entries;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Entries, A::Error> {
                let mut kept = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    kept.push(entry);
                }
                Ok(Entries(kept))
            }
        }
        deserializer.deserialize_map(Keep)
    }
}

/// Three bytes would otherwise become 32 MiB, and ten bytes all memory.
#[test]
fn a_map_of_values_without_bytes_takes_up_no_more_memory_than_a_sequence() {
    let error = decode_from::<Entries>(&varint(1 << 16), Vec::new()).map(|entries| entries.0.len()).unwrap_err();
    assert!(error.message().contains("more than the message has room for"), "{error}");
}

/// Remembers what it was told to expect, and reads nothing.
#[derive(Debug)]
struct Hint(usize);

impl<'de> Deserialize<'de> for Hint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ask;
        impl<'de> Visitor<'de> for Ask {
            type Value = Hint;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Hint, A::Error> {
                let hint = elements.size_hint().unwrap_or(0);
                while elements.next_element::<()>()?.is_some() {}
                Ok(Hint(hint))
            }
        }
        deserializer.deserialize_seq(Ask)
    }
}

/// A type that trusts the hint and reserves at once must be safe, too.
#[test]
fn the_hint_for_allocation_is_never_more_than_the_message() {
    let message = encode(&vec![(); 1 << 20]).unwrap();
    let Hint(hint) = decode_from(message.bytes(), Vec::new()).unwrap();
    assert!(hint < 6, "{hint}");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum List {
    End,
    More(Box<List>),
}

fn list(length: usize) -> List {
    (0..length).fold(List::End, |tail, _| List::More(Box::new(tail)))
}

#[derive(Debug, Serialize, Deserialize)]
struct Tree {
    label: u8,
    left: Option<Box<Tree>>,
    children: Vec<Tree>,
}

/// The whole depth must fit into the stack of an ordinary thread, in a build without optimisation as well.
#[test]
fn nesting_is_bounded_before_the_stack_is() {
    let work = || {
        let deep = encode(&list(500)).unwrap();
        assert_eq!(decode_from::<List>(deep.bytes(), Vec::new()).unwrap(), list(500));
        assert!(encode(&list(2000)).unwrap_err().message().contains("nested more than"));
        let more = encode(&list(1)).unwrap().bytes()[..3].repeat(100_000);
        assert!(decode_from::<List>(&more, Vec::new()).unwrap_err().message().contains("nested more than"));
        // A label, no left child, and one child, again and again.
        let leaf = encode(&Tree { label: 7, left: None, children: Vec::new() }).unwrap();
        let fields = &leaf.bytes()[..3];
        let bytes = [fields, &[7, 0, 1]].concat().repeat(10_000);
        assert!(decode_from::<Tree>(&bytes, Vec::new()).unwrap_err().message().contains("nested more than"));
        let bytes = [fields, &[7, 1]].concat().repeat(10_000);
        assert!(decode_from::<Tree>(&bytes, Vec::new()).unwrap_err().message().contains("nested more than"));
    };
    thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap().join().unwrap();
}
