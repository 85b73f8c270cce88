//! Types of many kinds, each written and read as each: what comes is what was written, or an error, and never another value.

use std::collections::BTreeMap;
use std::fmt::Debug;

use procession_core::codec::{SelfDescribed, decode, decode_from, encode, portable};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Point<T> {
    x: T,
    #[serde(alias = "why")]
    y: T,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Twisted<T> {
    y: T,
    x: T,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sparse<T> {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    x: Option<T>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    y: Vec<T>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Couple<T>(T, T);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct New<T>(T);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape<T> {
    Empty,
    #[serde(skip)]
    _Gone(T),
    #[serde(alias = "Dot")]
    Point(T),
    #[serde(skip)]
    _GoneToo,
    Pair(T, T),
    Fields {
        x: T,
        #[serde(skip_serializing_if = "Option::is_none")]
        y: Option<Box<Shape<T>>>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Turned<T> {
    Fields { y: T, x: T },
    Pair(T, T),
    Point(T),
    Empty,
}

/// Something of each kind, made of a few numbers.
macro_rules! zoo {
    ($number:ident, $text:ident, $use:ident) => {
        $use!($number as u8);
        $use!($number as i8);
        $use!($number as u16);
        $use!($number);
        $use!($number as i32);
        $use!(u64::from($number));
        $use!(i128::from($number) - 70_000);
        $use!($number as f32);
        $use!($number % 2 == 0);
        $use!(char::from($number as u8));
        $use!($text.clone());
        $use!($text.clone().into_bytes());
        $use!(Some($number));
        $use!(vec![$number as u8, 0]);
        $use!(vec![Some($number as u8), None]);
        $use!(($number as u8, $number as u8));
        $use!([$number as u8; 3]);
        $use!(($number as u8, ($text.clone(), $number)));
        $use!(BTreeMap::from([($text.clone(), $number)]));
        $use!(Point { x: $number, y: 1 });
        $use!(Point { x: $number as u8, y: 1 });
        $use!(Twisted { y: $number, x: 1 });
        $use!(Sparse { x: Some($number), y: vec![] });
        $use!(Sparse { x: None, y: vec![$number as u8] });
        $use!(Couple($number, 1));
        $use!(Couple($number as u8, 1));
        $use!(New($text.clone()));
        $use!(Shape::Point($number));
        $use!(Shape::Pair($number as u8, 1));
        $use!(Shape::Fields { x: $text.clone(), y: Some(Box::new(Shape::Empty)) });
        $use!(Turned::Point($number));
        $use!(Turned::Fields { y: $number as u8, x: 1 });
        $use!(Ok::<u32, String>($number));
        $use!(Err::<u8, String>($text.clone()));
        $use!(SelfDescribed(Point { x: $number, y: 1 }));
    };
}

fn is_same<T: Serialize + DeserializeOwned + PartialEq + Clone + Debug>(value: &T) {
    let around = (7_u8, value.clone(), vec![Some(value.clone()), None], 9_u8);
    assert_eq!(decode::<(u8, T, Vec<Option<T>>, u8)>(encode(&around).unwrap()).unwrap(), around);
    assert_eq!(portable::decode::<T>(portable::encode(value).unwrap()).unwrap(), *value);
    let described = SelfDescribed(value.clone());
    assert_eq!(decode::<SelfDescribed<T>>(encode(&described).unwrap()).unwrap(), described);
}

/// If what was written as one type can be read as another, then it says the same: the same names and values, described by themselves.
#[cfg(any(debug_assertions, feature = "checked"))]
fn is_same_or_refused<T: Serialize + DeserializeOwned + Debug>((bytes, described): &(Vec<u8>, Vec<u8>), _: &T) {
    if let Ok(value) = decode_from::<T>(bytes, Vec::new()) {
        assert_eq!(encode(&SelfDescribed(&value)).unwrap().bytes(), described, "{value:?}");
    }
}

proptest! {
    #[test]
    fn each_value_arrives_as_it_was(number in any::<u32>(), text in any::<String>()) {
        macro_rules! check { ($value:expr) => { is_same(&$value) }; }
        zoo!(number, text, check);
    }

    #[test]
    #[cfg(any(debug_assertions, feature = "checked"))]
    fn what_was_written_as_another_type_is_the_same_or_refused(number in any::<u32>(), text in any::<String>()) {
        let mut written = Vec::new();
        macro_rules! write {
            ($value:expr) => {{
                let bytes = encode(&$value).unwrap().into_parts().0.into_vec();
                written.push((bytes, encode(&SelfDescribed(&$value)).unwrap().into_parts().0.into_vec()));
            }};
        }
        zoo!(number, text, write);
        macro_rules! read {
            ($value:expr) => { written.iter().for_each(|both| is_same_or_refused(both, &$value)) };
        }
        zoo!(number, text, read);
    }

    /// Nothing but an error can come of garbage: no panic, no fault, no end of memory.
    #[test]
    fn garbage_is_refused(bytes in proptest::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..60)) {
        let (number, text) = (0_u32, String::new());
        macro_rules! read {
            ($value:expr) => {{
                let value = vec![$value];
                fn read<T: DeserializeOwned>(bytes: &[u8], _: &T) {
                    let _refused = decode_from::<T>(bytes, Vec::new());
                }
                read(&bytes, &value);
            }};
        }
        zoo!(number, text, read);
    }

    /// A byte that was changed on the way is noticed, or changes a value of the same type: it never panics.
    #[test]
    fn a_changed_byte_does_no_harm(number in any::<u32>(), text in any::<String>(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        macro_rules! change {
            ($value:expr) => {{
                let value = ($value, 1_u8);
                let mut bytes = encode(&value).unwrap().into_parts().0.into_vec();
                let at = at.index(bytes.len());
                bytes[at] = to;
                fn read<T: DeserializeOwned>(bytes: &[u8], _: &T) {
                    let _refused = decode_from::<T>(bytes, Vec::new());
                }
                read(&bytes, &value);
            }};
        }
        zoo!(number, text, change);
    }
}
