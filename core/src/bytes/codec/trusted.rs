//! How trusted entries travel: behind the bytes of the value, and behind them their number.

use super::scope::TrustedEntry;

const WORD: usize = size_of::<u64>();
/// A kind and two numbers.
const SIZE: usize = 3 * WORD;

/// Writes the entries behind a value's bytes.
pub(super) fn append(trusted: &[TrustedEntry], bytes: &mut Vec<u8>) {
    for TrustedEntry { kind, what: [first, second] } in trusted {
        for word in [kind, first, second] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    }
    bytes.extend_from_slice(&(trusted.len() as u64).to_le_bytes());
}

/// Takes the entries off the end of `bytes`; `None` when it is too short to hold as many as it says.
pub(super) fn split(bytes: &[u8]) -> Option<(&[u8], Vec<TrustedEntry>)> {
    let (bytes, count) = bytes.split_last_chunk::<WORD>()?;
    // The count is read from the message: a product that wraps around would show a small table.
    let len = usize::try_from(u64::from_le_bytes(*count)).ok()?.checked_mul(SIZE)?;
    let (value, table) = bytes.split_at_checked(bytes.len().checked_sub(len)?)?;
    Some((value, table.chunks_exact(SIZE).map(entry).collect()))
}

fn entry(bytes: &[u8]) -> TrustedEntry {
    let word = |place: usize| {
        let mut word = [0; WORD];
        word.copy_from_slice(&bytes[place * WORD..(place + 1) * WORD]);
        u64::from_le_bytes(word)
    };
    TrustedEntry { kind: word(0), what: [word(1), word(2)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_split_off_again() {
        for count in 0..4 {
            let trusted: Vec<_> = (0..count).map(|n| TrustedEntry { kind: n, what: [n + 1, u64::MAX - n] }).collect();
            let mut bytes = b"value".to_vec();
            append(&trusted, &mut bytes);
            assert_eq!(split(&bytes), Some((&b"value"[..], trusted)));
        }
    }

    #[test]
    fn more_than_there_can_be_is_refused() {
        assert_eq!(split(&[0; 7]), None);
        for count in [1, 2, u64::MAX / 24, u64::MAX] {
            let bytes = [&[0; 23][..], &count.to_le_bytes()].concat();
            assert_eq!(split(&bytes), None, "{count}");
        }
    }
}
