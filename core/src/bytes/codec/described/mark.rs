//! [`Mark`]: what comes next in a value that describes itself.

use crate::bytes::codec::error::Fault;

/// What stands before each thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Mark {
    /// Of a sequence or map.
    End,
    Unit,
    False,
    True,
    /// At most 64 bits, not negative.
    Number,
    /// At most 64 bits, as how much it is below -1.
    Negative,
    Large,
    LargeNegative,
    F32,
    F64,
    Char,
    Text,
    Bytes,
    None,
    Some,
    Sequence,
    Map,
    /// Its name.
    UnitVariant,
    /// Its name, and what it holds.
    Variant,
}

impl Mark {
    const ALL: [Self; 19] = [
        Self::End,
        Self::Unit,
        Self::False,
        Self::True,
        Self::Number,
        Self::Negative,
        Self::Large,
        Self::LargeNegative,
        Self::F32,
        Self::F64,
        Self::Char,
        Self::Text,
        Self::Bytes,
        Self::None,
        Self::Some,
        Self::Sequence,
        Self::Map,
        Self::UnitVariant,
        Self::Variant,
    ];

    pub(super) fn from_byte(byte: u8) -> Result<Self, Fault> {
        Self::ALL.get(usize::from(byte)).copied().ok_or_else(|| Fault::text("the bytes describe no value"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_is_read_as_itself() {
        for (byte, mark) in Mark::ALL.into_iter().enumerate() {
            assert_eq!((mark as usize, Mark::from_byte(byte as u8).ok()), (byte, Some(mark)));
        }
        assert!(Mark::from_byte(Mark::ALL.len() as u8).is_err());
    }
}
