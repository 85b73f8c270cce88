//! Values survive the way to bytes and back, and what cannot survive it is refused with its reason.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::time::Duration;

use procession_core::codec::{self, Message, decode, decode_from, encode, encode_into};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::ser::{Error as _, SerializeTuple};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value of every kind that serde knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Any {
    Unit,
    Signed(i8, i16, i32, i64, i128),
    Unsigned { a: u8, b: u16, c: u32, d: u64, e: u128 },
    Floats([f32; 2], f64),
    Texts(char, String, bool),
    Block(#[serde(with = "codec::bytes")] Vec<u8>),
    Maybe(Option<Box<Any>>),
    Several(Vec<Any>),
    Named(BTreeMap<String, Any>),
    Nested(Wrapper, (), Empty),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrapper(Box<Any>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Empty;

fn value() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        Just(Any::Unit),
        any::<(i8, i16, i32, i64, i128)>().prop_map(|(a, b, c, d, e)| Any::Signed(a, b, c, d, e)),
        any::<(u8, u16, u32, u64, u128)>().prop_map(|(a, b, c, d, e)| Any::Unsigned { a, b, c, d, e }),
        any::<(i32, i32, i64)>().prop_map(|(a, b, c)| Any::Floats([a as f32, b as f32], c as f64)),
        any::<(char, String, bool)>().prop_map(|(a, b, c)| Any::Texts(a, b, c)),
        any::<Vec<u8>>().prop_map(Any::Block),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            proptest::option::of(inner.clone()).prop_map(|value| Any::Maybe(value.map(Box::new))),
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Any::Several),
            proptest::collection::btree_map(any::<String>(), inner.clone(), 0..6).prop_map(Any::Named),
            inner.prop_map(|value| Any::Nested(Wrapper(Box::new(value)), (), Empty)),
        ]
    })
}

proptest! {
    /// Names stand before variants and fields; what has none is written as postcard writes it.
    #[test]
    fn what_has_no_names_is_written_as_postcard_writes_it(
        numbers in any::<(u8, u16, u32, u64, u128, bool)>(),
        signed in any::<(i8, i16, i32, i64, i128)>(),
        rest in any::<(f32, f64, char, Option<u32>, Vec<(i64, String)>)>(),
        small in any::<(u16, u64, i64)>().prop_map(|(a, b, c)| (a >> 9, b >> 40, c >> 60)),
    ) {
        let value = (numbers, signed, rest, small);
        let message = encode(&value).unwrap();
        prop_assert!(message.bytes().starts_with(&postcard::to_stdvec(&value).unwrap()));
    }

    #[test]
    fn any_value_comes_back_as_it_was(value in value()) {
        let message = encode(&value).unwrap();
        prop_assert_eq!(decode::<Any>(message).unwrap(), value);
    }

    #[test]
    fn a_message_that_ends_early_is_an_error(value in value(), cut in any::<prop::sample::Index>()) {
        let message = encode(&value).unwrap();
        let cut = cut.index(message.bytes().len());
        prop_assert!(decode_from::<Any>(&message.bytes()[..cut], Vec::new()).is_err());
    }

    #[test]
    fn bytes_after_the_value_are_an_error(value in value(), more in 1..20usize) {
        let mut bytes = encode(&value).unwrap().into_parts().0.into_vec();
        bytes.resize(bytes.len() + more, 0);
        let error = decode_from::<Any>(&bytes, Vec::new()).unwrap_err();
        prop_assert_eq!(error.message(), format!("{more} bytes are left over after the value"));
    }
}

#[track_caller]
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(value: T) {
    assert_eq!(decode::<T>(encode(&value).unwrap()).unwrap(), value);
}

#[test]
fn types_of_std_come_back() {
    round_trip(HashMap::from([(1u64, "one".to_owned()), (2, "two".to_owned())]));
    round_trip(Duration::from_nanos(1_000_000_001));
    round_trip(PathBuf::from("/tmp/a b"));
    round_trip(std::ffi::OsString::from("name"));
    round_trip(Ok::<u8, String>(7));
    round_trip(("127.0.0.1:80".parse::<std::net::SocketAddr>().unwrap(), usize::MAX, isize::MIN));
    round_trip(Some(Some(())));
    round_trip(vec![(); 1000]);
    round_trip(f64::MIN_POSITIVE);
}

#[test]
fn nan_keeps_its_bits() {
    let nan = f64::from_bits(0x7ff8_0000_dead_beef);
    let back: f64 = decode(encode(&nan).unwrap()).unwrap();
    assert_eq!(back.to_bits(), nan.to_bits());
}

#[test]
fn a_buffer_is_used_again() {
    let mut buffer = Vec::with_capacity(1000);
    buffer.extend([9; 500]);
    let place = buffer.as_ptr();
    let (payload, _) = encode_into("short", buffer).unwrap().into_parts();
    let bytes = payload.into_vec();
    assert_eq!((bytes.as_ptr(), &bytes[..6]), (place, &b"\x05short"[..]));
}

#[test]
fn a_message_inside_a_message_keeps_its_bytes() {
    let inner = Message::new(vec![0xff; 300], Vec::new());
    let (number, back): (u8, Message) = decode(encode(&(7u8, inner)).unwrap()).unwrap();
    assert_eq!((number, back.bytes()), (7, &[0xff; 300][..]));
}

/// Fails in one direction or the other, with words of its own.
#[derive(Debug)]
struct Picky(u32);

impl Serialize for Picky {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 13 {
            return Err(S::Error::custom("thirteen brings bad luck"));
        }
        serializer.serialize_u32(self.0)
    }
}

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            7 => Err(serde::de::Error::custom("seven was taken")),
            other => Ok(Self(other)),
        }
    }
}

#[test]
fn the_words_of_an_error_are_kept_at_any_depth() {
    let error = encode(&vec![Some((1u8, Picky(13)))]).unwrap_err();
    assert_eq!(error.message(), "thirteen brings bad luck");
    assert!(error.type_name().contains("Picky"), "{}", error.type_name());

    let message = encode(&HashMap::from([("key", (Picky(7), "text"))])).unwrap();
    let error = decode::<HashMap<String, (Picky, String)>>(message).unwrap_err();
    assert_eq!(error.message(), "seven was taken");
    assert!(error.to_string().starts_with("cannot decode a value of type `std::collections::hash::map::HashMap<"));
}

/// A visitor's own error is raised inside the format's code, where its words are easily lost.
#[test]
fn the_words_of_a_visitor_are_kept() {
    let error = decode_from::<std::num::NonZeroU16>(&[0], Vec::new()).unwrap_err();
    assert_eq!(error.message(), "invalid value: integer `0`, expected a nonzero u16");
    let error = decode_from::<std::ffi::CString>(&[1, 0], Vec::new()).unwrap_err();
    assert!(error.message().contains("nul byte"), "{error}");
    let error = decode_from::<Result<u8, u8>>(&[9, 0, 0, 0], Vec::new()).unwrap_err();
    assert!(error.message().contains("unknown variant `number 9"), "{error}");
}

#[derive(Serialize)]
struct Inner {
    always: u8,
}

#[derive(Serialize)]
struct Flat {
    #[serde(flatten)]
    inner: Inner,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u8),
}

#[test]
fn what_needs_a_format_that_describes_itself_is_refused() {
    let error = encode(&Flat { inner: Inner { always: 2 } }).unwrap_err();
    assert!(error.message().contains("`flatten`") && error.message().contains("`SelfDescribed`"), "{error}");
    let error = decode::<Untagged>(encode(&Untagged::Number(1)).unwrap()).unwrap_err();
    assert!(error.message().contains("`untagged`") && error.message().contains("`SelfDescribed`"), "{error}");
}

/// Announces another number of parts than it writes.
struct Liar {
    announced: usize,
    written: usize,
}

impl Serialize for Liar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = serializer.serialize_tuple(self.announced)?;
        for _ in 0..self.written {
            parts.serialize_element(&0u8)?;
        }
        parts.end()
    }
}

#[test]
fn a_tuple_of_another_length_than_announced_is_refused() {
    assert!(encode(&Liar { announced: 3, written: 3 }).is_ok());
    let short = encode(&Liar { announced: 3, written: 1 }).unwrap_err();
    assert_eq!(short.message(), "a compound value has 2 parts fewer than it announced");
    let long = encode(&Liar { announced: 3, written: 4 }).unwrap_err();
    assert_eq!(long.message(), "a compound value has more parts than it announced");
}

/// Displays as another text each time.
struct Changing(std::cell::Cell<usize>);

impl Display for Changing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.set(self.0.get() + 1);
        f.write_str(&"x".repeat(self.0.get()))
    }
}

impl Serialize for Changing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(&format_args!("{self}"))?;
        pair.serialize_element("end")?;
        pair.end()
    }
}

#[test]
fn a_text_that_changes_while_it_is_formatted_spoils_nothing() {
    let message = encode(&Changing(Default::default())).unwrap();
    assert_eq!(decode::<(String, String)>(message).unwrap(), ("x".to_owned(), "end".to_owned()));
}

#[test]
fn errors_and_messages_cross_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Message>();
    check::<codec::Payload>();
    check::<codec::Descriptor>();
    check::<codec::EncodeError>();
    check::<codec::DecodeError>();
}
