//! The two halves of serde need not agree: what is written must arrive as it was, or not at all.

use std::collections::BTreeMap;
use std::fmt::Debug;

use procession_core::codec::{self, decode, decode_from, encode};
use serde::de::DeserializeOwned;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What arrives, with something before it and behind it that would be shifted.
#[track_caller]
fn sent<T: Serialize + DeserializeOwned>(value: T) -> Result<T, String> {
    let around = (vec![2_u8, 1, 9], value, vec![1_u8, 2, 3], 1_u8);
    let message = encode(&around).map_err(|error| error.to_string())?;
    let (before, value, behind, last) =
        decode::<(Vec<u8>, T, Vec<u8>, u8)>(message).map_err(|error| error.to_string())?;
    assert_eq!((before, behind, last), (vec![2, 1, 9], vec![1, 2, 3], 1));
    Ok(value)
}

#[track_caller]
fn arrives<T: Serialize + DeserializeOwned + PartialEq + Clone + Debug>(values: impl IntoIterator<Item = T>) {
    for value in values {
        assert_eq!(sent(value.clone()), Ok(value));
    }
}

#[track_caller]
fn is_refused<T: Serialize + DeserializeOwned + Debug>(value: T, word: &str) {
    let error = sent(value).expect_err("the halves do not agree");
    assert!(error.contains(word), "{error}");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Level {
    Low,
    #[serde(skip)]
    Hidden,
    Mid(u8),
    #[serde(skip)]
    Secret(u8),
    High {
        by: u8,
    },
    Tuple(u8, u8),
}

#[test]
fn variants_behind_skipped_ones_arrive_as_they_are() {
    arrives([Level::Low, Level::Mid(7), Level::High { by: 7 }, Level::Tuple(1, 2)]);
    assert!(sent(Level::Hidden).is_err() && sent(Level::Secret(1)).is_err());
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum OneWay {
    Low,
    #[serde(skip_deserializing)]
    Written(u8),
    #[serde(skip_serializing)]
    Read(u8),
    High(u8),
}

#[test]
fn a_variant_that_is_only_written_is_refused_by_its_number() {
    arrives([OneWay::Low, OneWay::High(1)]);
    is_refused(OneWay::Written(1), "number 1, which is written but not read");
    is_refused(OneWay::Read(1), "cannot be serialized");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Renamed {
    #[serde(alias = "zero", alias = "nil")]
    A,
    #[serde(skip)]
    _B,
    #[serde(rename = "see", alias = "C")]
    C(u8),
    #[serde(alias = "dee")]
    D {
        #[serde(alias = "Y")]
        x: u8,
        y: u8,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Config {
    a: u8,
    #[serde(alias = "old", alias = "before")]
    b: u8,
    #[serde(rename = "sea", alias = "c")]
    c: Vec<u8>,
}

#[test]
fn types_with_aliases_arrive() {
    arrives([Renamed::A, Renamed::C(1), Renamed::D { x: 1, y: 2 }]);
    arrives([Config { a: 1, b: 2, c: vec![3] }]);
    arrives([vec![Config { a: 1, b: 2, c: vec![] }; 3]]);
}

#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
struct Cache {
    a: u8,
    #[serde(skip_serializing, default)]
    cached: u8,
    b: u8,
}

#[test]
fn a_field_that_is_not_written_is_its_default() {
    assert_eq!(sent(Cache { a: 1, cached: 9, b: 3 }), Ok(Cache { a: 1, cached: 0, b: 3 }));
    let three = (Cache { a: 1, cached: 0, b: 3 }, vec![2_u8, 1, 9], 1_u8);
    assert_eq!(decode::<(Cache, Vec<u8>, u8)>(encode(&three).unwrap()).unwrap(), three);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sparse {
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u8>,
    always: u8,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    list: Vec<u8>,
    #[serde(skip_serializing_if = "Option::is_none", alias = "final")]
    last: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Sparser {
    Fields {
        #[serde(skip_serializing_if = "Option::is_none")]
        maybe: Option<u8>,
        always: u8,
    },
}

#[test]
fn fields_that_are_left_out_now_and_then_arrive() {
    for bits in 0..8_u8 {
        let first = (bits & 1 > 0).then_some(7);
        let list = if bits & 2 > 0 { vec![1, 2] } else { vec![] };
        let last = (bits & 4 > 0).then(|| "end".to_owned());
        arrives([Sparse { first, always: bits, list, last }]);
        arrives([Sparser::Fields { maybe: first, always: 9 }]);
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Unread {
    a: u8,
    #[serde(skip_deserializing)]
    b: u8,
    c: u8,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(dead_code, reason = "only written and read")]
struct Crossed {
    #[serde(skip_serializing, default)]
    a: u8,
    #[serde(skip_deserializing)]
    b: u8,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
struct Tagged {
    a: u8,
}

#[derive(Debug, Serialize, Deserialize)]
struct Names {
    #[serde(rename(serialize = "one", deserialize = "other"))]
    a: u8,
}

#[test]
fn a_struct_of_other_fields_than_are_read_is_refused_by_its_name() {
    is_refused(Unread { a: 1, b: 2, c: 3 }, "other fields of `Unread` were written");
    is_refused(Crossed { a: 1, b: 2 }, "other fields of `Crossed` were written");
    is_refused(Tagged { a: 1 }, "other fields of `Tagged` were written");
    is_refused(Names { a: 1 }, "`rename`");
}

#[derive(Debug, Serialize, Deserialize)]
#[expect(dead_code, reason = "only written and read")]
struct Pair(u8, #[serde(skip_serializing, default)] u8, #[serde(skip)] u8);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Half {
    Newtype(#[serde(skip_serializing, default)] u8),
    Tuple(u8, #[serde(skip_serializing, default)] u8),
    Whole(#[serde(skip)] u8, u8),
}

#[test]
fn parts_without_names_are_counted() {
    is_refused(Pair(1, 2, 3), "parts of a tuple struct");
    is_refused(Half::Newtype(1), "was written as a unit variant and is read as a newtype variant");
    is_refused(Half::Tuple(1, 2), "parts of a tuple struct");
    arrives([Half::Whole(0, 2)]);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Open {
    Known,
    #[serde(skip_deserializing)]
    New,
    #[serde(skip_deserializing)]
    NewToo(u8),
    #[serde(other)]
    Other,
}

#[test]
fn a_variant_for_all_others_takes_those_without_content() {
    arrives([Open::Known, Open::Other]);
    assert_eq!(sent(Open::New), Ok(Open::Other));
    assert!(sent(Open::NewToo(1)).is_err());
}

/// Writes one thing and reads another of which the bytes can be taken for it.
#[cfg(any(debug_assertions, feature = "checked"))]
macro_rules! two_faced {
    ($($name:ident: $written:ty, $read:ty;)*) => {$(
        #[derive(Debug)]
        struct $name;

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$written>::default().serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$read>::deserialize(deserializer).map(|_| Self)
            }
        }
    )*};
}

#[cfg(any(debug_assertions, feature = "checked"))]
two_faced! {
    Wide: u8, u64;
    Signs: i32, u32;
    Texts: String, Vec<u8>;
    Pairs: (u8, u8), (u8, (u8,));
    Truths: u8, bool;
    Options: Option<u8>, bool;
    Lists: Vec<u8>, BTreeMap<u8, u8>;
    Floats: f32, [u8; 4];
}

/// In release builds this takes the feature `checked`.
#[test]
#[cfg(any(debug_assertions, feature = "checked"))]
fn what_is_written_as_one_kind_and_read_as_another_is_refused() {
    let word = "writes something else than its `Deserialize` reads";
    is_refused(Wide, word);
    is_refused(Signs, word);
    is_refused(Texts, word);
    is_refused(Pairs, word);
    is_refused(Truths, word);
    is_refused(Options, word);
    is_refused(Lists, word);
    is_refused(Floats, word);
    assert!(decode::<Signs>(encode(&Signs).unwrap()).is_err(), "alone, too");
}

/// Says that it has one length, and has another.
struct Liar {
    announced: Option<usize>,
    written: usize,
}

impl Serialize for Liar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut elements = serializer.serialize_seq(self.announced)?;
        for n in 0..self.written {
            elements.serialize_element(&vec![n as u16; 2])?;
        }
        elements.end()
    }
}

#[test]
fn a_sequence_has_the_length_that_it_turns_out_to_have() {
    for announced in [None, Some(0), Some(1), Some(3), Some(300), Some(usize::MAX)] {
        for written in [0, 1, 3, 200] {
            let message = encode(&(Liar { announced, written }, 7_u8)).unwrap();
            let (read, seven) = decode::<(Vec<Vec<u16>>, u8)>(message).unwrap();
            assert_eq!((read, seven), ((0..written as u16).map(|n| vec![n; 2]).collect(), 7));
        }
    }
}

#[test]
fn many_values_of_no_size_arrive_and_too_many_are_refused_at_once() {
    const MANY: usize = (1 << 24) + 1;
    assert_eq!(decode::<Vec<()>>(encode(&vec![(); MANY]).unwrap()).unwrap().len(), MANY);
    let error = encode(&vec![(); usize::MAX]).unwrap_err();
    assert!(error.message().contains("send their number"), "{error}");
}

/// Takes up memory, and nothing of a message.
#[derive(Debug, Default)]
struct Large(#[expect(dead_code, reason = "only its size matters")] [u64; 16]);

impl<'de> Deserialize<'de> for Large {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <()>::deserialize(deserializer).map(|()| Self::default())
    }
}

#[test]
fn a_few_bytes_do_not_become_much_memory() {
    let few = encode(&vec![(); 1000]).unwrap();
    assert_eq!(decode::<Vec<Large>>(few).unwrap().len(), 1000);
    for many in [&[0x80, 0x80, 0x40][..], &[0xff, 0xff, 0xff, 0xff, 0xf]] {
        let error = decode_from::<Vec<Large>>(&[many, &[0; 9]].concat(), Vec::new()).unwrap_err();
        assert!(error.message().contains("bytes of memory"), "{error}");
    }
    let nested = vec![vec![(); 100_000]; 10];
    assert!(decode::<Vec<Vec<Large>>>(encode(&nested).unwrap()).is_err(), "all lists of a message together");
}

/// Whether what a visitor was shown is its own.
struct Place(bool);
struct Visitor;

impl serde::de::Visitor<'_> for Visitor {
    type Value = Place;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a text or block of its own")
    }
    fn visit_str<E>(self, _: &str) -> Result<Place, E> {
        Ok(Place(false))
    }
    fn visit_string<E>(self, _: String) -> Result<Place, E> {
        Ok(Place(true))
    }
    fn visit_bytes<E>(self, _: &[u8]) -> Result<Place, E> {
        Ok(Place(false))
    }
    fn visit_byte_buf<E>(self, _: Vec<u8>) -> Result<Place, E> {
        Ok(Place(true))
    }
}
macro_rules! reads_by {
    ($name:ident, $method:ident) => {
        struct $name(Place);
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.$method(Visitor).map(Self)
            }
        }
    };
}

/// A text that the other side can still write must not change after it was checked. So visitors are given a copy of their own.
#[test]
fn texts_and_blocks_are_copied_before_they_are_looked_at() {
    reads_by!(Str, deserialize_str);
    reads_by!(Text, deserialize_string);
    reads_by!(Bytes, deserialize_bytes);
    reads_by!(Buf, deserialize_byte_buf);
    let text = encode("text").unwrap();
    assert!(decode_from::<Str>(text.bytes(), Vec::new()).unwrap().0.0);
    assert!(decode_from::<Text>(text.bytes(), Vec::new()).unwrap().0.0);
    struct Block;
    impl Serialize for Block {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(b"block")
        }
    }
    let block = encode(&Block).unwrap();
    assert!(decode_from::<Bytes>(block.bytes(), Vec::new()).unwrap().0.0);
    assert!(decode_from::<Buf>(block.bytes(), Vec::new()).unwrap().0.0);
}

/// A message that was spilled in pieces.
#[derive(Default)]
struct Whole(Vec<u8>);

impl codec::Spill for Whole {
    fn spill(&mut self, before: &[u8], block: &[u8]) -> bool {
        self.0.extend_from_slice(before);
        self.0.extend_from_slice(block);
        true
    }

    fn amend(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// What comes of a value whose large blocks are spilled, behind bytes that the buffer held before.
fn spilled<T: Serialize + DeserializeOwned>(value: &T) -> Result<T, String> {
    let (mut whole, mut rest) = (Whole::default(), vec![1, 2, 3, 4, 5]);
    codec::append_spilling(value, &mut rest, &mut whole).map_err(|error| error.to_string())?;
    assert_eq!(rest[..5], [1, 2, 3, 4, 5]);
    let bytes = [&whole.0[..], &rest[5..]].concat();
    assert_eq!(bytes, encode(value).unwrap().bytes(), "as if nothing had been spilled");
    codec::decode_from(&bytes, codec::Handles::new()).map_err(|error| error.to_string())
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Page {
    number: u64,
    text: String,
    lines: Vec<u32>,
    inner: Option<Box<Page>>,
    footer: String,
}

fn page(text: usize, footer: usize) -> Page {
    let (text, footer) = ("a".repeat(text), "b".repeat(footer));
    Page { number: 7, text, lines: vec![1, 2, 300_000], inner: None, footer }
}

#[test]
fn structs_whose_blocks_are_spilled_arrive_as_they_were() {
    const LARGE: usize = 100_000;
    for (text, footer) in [(0, 0), (LARGE, 1), (1, LARGE), (LARGE, LARGE)] {
        let plain = page(text, footer);
        assert!(spilled(&plain).unwrap() == plain, "{text} {footer}");
        for (outer_text, outer_footer) in [(0, 0), (LARGE, 0), (0, LARGE)] {
            let nested = Page { inner: Some(Box::new(plain.clone())), ..page(outer_text, outer_footer) };
            assert!(spilled(&vec![nested.clone(), nested.clone()]).unwrap() == [nested.clone(), nested]);
        }
    }
}

/// Says of a list of texts that it has one length or none.
#[derive(Debug, PartialEq)]
struct Listed(Option<usize>, Vec<String>);

impl Serialize for Listed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut elements = serializer.serialize_seq(self.0)?;
        for text in &self.1 {
            elements.serialize_element(text)?;
        }
        elements.end()
    }
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|texts| Self(None, texts))
    }
}

#[test]
fn a_sequence_whose_blocks_are_spilled_has_its_length_or_is_refused() {
    let texts = vec!["a".repeat(100_000), "b".to_owned(), "c".repeat(100_000)];
    let value = (page(100_000, 1), Listed(None, texts.clone()), page(1, 100_000));
    assert!(spilled(&value).unwrap() == value);
    assert!(spilled(&Listed(Some(3), texts.clone())).unwrap().1 == texts);
    assert!(spilled(&Listed(Some(2), texts)).unwrap_err().contains("another length than it announced"));
}
