//! [`Block`]: a mebibyte that serde carries as bytes, not number by number.

use std::fmt;
use std::sync::Arc;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::group::Failure;
use crate::measure::expect;

pub const MIB: usize = 1 << 20;
/// The number of blocks that every system sends before the clock runs: the first ones touch their memory for the first time.
pub const WARM_UP: usize = 100;
/// One byte of each page is read.
const PAGE: usize = 4096;

/// The argument and the result of a large task.
#[derive(Debug, Clone)]
pub struct Block(pub Arc<Vec<u8>>);

impl Block {
    /// The task: reads the block and gives it back, or an empty one when it is wrong.
    pub fn answer(self) -> Block {
        if self.is_whole() { self } else { Block(Arc::default()) }
    }

    /// An error unless the block is the one that was sent.
    pub fn check(&self) -> Result<(), Failure> {
        expect(self.is_whole(), true)
    }

    fn is_whole(&self) -> bool {
        is_whole(&self.0)
    }
}

/// Whether the bytes are those that were sent.
pub fn is_whole(bytes: &[u8]) -> bool {
    let sum: usize = bytes.iter().step_by(PAGE).map(|byte| usize::from(*byte)).sum();
    bytes.len() == MIB && sum == MIB / PAGE
}

impl Serialize for Block {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Block, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }
        deserializer.deserialize_byte_buf(Bytes).map(|bytes| Block(Arc::new(bytes)))
    }
}
