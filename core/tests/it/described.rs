//! Types that want to be told what comes next travel as `SelfDescribed`, and everything else does as well.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fmt::Debug;
use std::io::Read;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use procession_core::codec::{self, AnyPath, Descriptor, SelfDescribed, decode, decode_from, encode, portable};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[track_caller]
fn arrives<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    let value = SelfDescribed(value);
    assert_eq!(decode::<SelfDescribed<T>>(encode(&value).unwrap()).unwrap(), value);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Inner {
    a: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<String>,
    address: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    id: u32,
    #[serde(flatten)]
    inner: Inner,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Flag(bool),
    Number(i64),
    Float(f64),
    Text(String),
    Pair(u8, String),
    Fields { x: Option<u8>, y: Nested },
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Nested {
    Unit,
    Newtype(char),
    Tuple(u8, ()),
    Fields { z: Vec<u8> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Internal {
    Unit,
    Inner(Inner),
    Fields {
        nested: Nested,
        #[serde(with = "codec::bytes")]
        block: Vec<u8>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Unit,
    Newtype(u8),
    #[serde(skip)]
    _Skipped,
    Tuple(u8, u8),
    Struct {
        a: u8,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
struct Tagged {
    a: u8,
}

fn inner() -> Inner {
    Inner { a: 1, b: None, address: Some("10.0.0.1".parse().unwrap()) }
}

#[test]
fn types_that_want_to_be_told_arrive() {
    arrives(json!({ "a": [1, -2, 2.5, null, true, "text"], "b": { "c": u64::MAX, "d": i64::MIN } }));
    arrives(Flat { id: 7, inner: inner(), rest: BTreeMap::from([("more".into(), json!([1, { "x": null }]))]) });
    arrives(vec![
        Untagged::Flag(true),
        Untagged::Number(-7),
        Untagged::Float(0.5),
        Untagged::Text("text".into()),
        Untagged::Pair(1, "two".into()),
        Untagged::Fields { x: None, y: Nested::Unit },
        Untagged::Fields { x: Some(1), y: Nested::Newtype('x') },
        Untagged::Fields { x: Some(1), y: Nested::Tuple(1, ()) },
        Untagged::Fields { x: Some(1), y: Nested::Fields { z: vec![1, 2] } },
        Untagged::Nothing,
    ]);
    arrives(vec![
        Internal::Unit,
        Internal::Inner(inner()),
        Internal::Fields { nested: Nested::Fields { z: vec![1] }, block: vec![0, 255] },
    ]);
    arrives(vec![Adjacent::Unit, Adjacent::Newtype(1), Adjacent::Tuple(1, 2), Adjacent::Struct { a: 1 }]);
    arrives(Tagged { a: 1 });
}

#[test]
fn what_json_has_no_words_for_arrives() {
    arrives(vec![Some(Some(())), Some(None), None]);
    arrives(vec![(u128::MAX, i128::MIN), (0, -1), (u64::MAX.into(), i64::MIN.into())]);
    arrives(vec![f64::INFINITY, f64::NEG_INFINITY, -0.0]);
    arrives(HashMap::from([((1_u8, 'a'), "one"), ((2, 'b'), "two")].map(|(key, text)| (key, text.to_owned()))));
    arrives(BTreeMap::from([(None, 1.5_f32), (Some(false), f32::MAX)]));
    arrives((vec![(); 3], [(); 2], String::new(), Ok::<u8, ()>(1), Err::<u8, ()>(())));
    arrives(std::time::Duration::from_nanos(1_000_000_001));
    let nan: SelfDescribed<f64> = decode(encode(&SelfDescribed(f64::NAN)).unwrap()).unwrap();
    assert!(nan.0.is_nan());
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Mixed {
    before: u8,
    #[serde(with = "codec::described")]
    value: Value,
    after: u8,
}

#[test]
fn one_field_alone_may_describe_itself() {
    let mixed = Mixed { before: 1, value: json!([1, 2, {}]), after: 2 };
    assert_eq!(decode::<Mixed>(encode(&mixed).unwrap()).unwrap(), mixed);
    assert_eq!(portable::decode::<Mixed>(portable::encode(&mixed).unwrap()).unwrap(), mixed);
    let error = decode::<Value>(encode(&json!([1])).unwrap()).unwrap_err();
    assert!(error.message().contains("`SelfDescribed`"), "{error}");
}

#[test]
fn handles_travel_inside() {
    #[derive(Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Source {
        Text { text: String },
    }
    let (reader, writer) = std::io::pipe().unwrap();
    let both = SelfDescribed((Source::Text { text: "x".into() }, Descriptor::from(OwnedFd::from(writer))));
    let message = encode(&both).unwrap();
    drop(both);
    let SelfDescribed((Source::Text { text }, writer)) =
        decode::<SelfDescribed<(Source, Descriptor)>>(message).unwrap();
    assert_eq!(text, "x");
    let mut reader = reader;
    drop(writer);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0, "the descriptor that arrived was the last one");
}

#[test]
fn too_deep_values_are_refused_in_both_directions() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Deep(Vec<Deep>);
    let deep = |levels| (0..levels).fold(Deep(vec![]), |inner, _| Deep(vec![inner]));
    let work = move || {
        assert!(encode(&SelfDescribed(deep(100))).is_ok());
        assert!(encode(&SelfDescribed(deep(2000))).unwrap_err().message().contains("nested more than"));
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
}

#[test]
fn paths_of_any_bytes_arrive_and_the_error_of_others_says_how() {
    let path = Path::new(OsStr::from_bytes(b"/tmp/\xff\xfe"));
    let any = AnyPath::from(path);
    assert_eq!(decode::<AnyPath>(encode(&any).unwrap()).unwrap(), any);
    let error = encode(&path.to_owned()).unwrap_err();
    assert!(error.message().contains("`AnyPath`"), "{error}");
    arrives(any);
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 3.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

type Everything = (Value, Vec<Untagged>, Option<Internal>, BTreeMap<String, Nested>, (u128, char, [f64; 2]), Flat);

proptest! {
    #[test]
    fn any_json_arrives(value in json()) {
        let message = encode(&SelfDescribed(&value)).unwrap();
        prop_assert_eq!(decode::<SelfDescribed<Value>>(message).unwrap().0, value);
    }

    /// Nothing but an error can come of garbage: no panic, no fault, no end of memory.
    #[test]
    fn garbage_that_describes_itself_does_no_harm(bytes in proptest::collection::vec(0..20_u8, 0..100)) {
        let block = encode(&serde_bytes_of(&bytes)).unwrap();
        let _ = decode_from::<SelfDescribed<Everything>>(block.bytes(), Vec::new());
        let _ = decode_from::<SelfDescribed<Value>>(block.bytes(), Vec::new());
        let _ = decode_from::<SelfDescribed<Flat>>(block.bytes(), Vec::new());
    }
}

fn serde_bytes_of(bytes: &[u8]) -> impl Serialize {
    #[derive(Serialize)]
    #[serde(transparent)]
    struct Block(#[serde(with = "codec::bytes")] Vec<u8>);
    Block(bytes.to_vec())
}
