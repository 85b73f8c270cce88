//! [`Key`]: the secret of one link.

use std::fmt;
use std::io;

use procession_core::os::random;

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;

/// The secret that a driver and an agent share. Its holder can run code as the user of the other side, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key([u8; KEY_BYTES]);

impl Key {
    /// Makes a key that cannot be guessed.
    pub(crate) fn random() -> io::Result<Key> {
        let mut bytes = [0; KEY_BYTES];
        random::fill(&mut bytes)?;
        Ok(Key(bytes))
    }

    /// Reads a key from hexadecimal digits.
    pub(crate) fn from_hex(text: &str) -> Option<Key> {
        let digits = text.as_bytes();
        if digits.len() != 2 * KEY_BYTES {
            return None;
        }
        let mut bytes = [0; KEY_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Key(bytes))
    }

    pub(crate) fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

fn digit(letter: u8) -> Option<u8> {
    // A sign, which the parsers of numbers would take, is no digit.
    u8::try_from(char::from(letter).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_is_read_as_it_was_written(bytes: [u8; KEY_BYTES]) {
            let key = Key(bytes);
            prop_assert_eq!(Key::from_hex(&key.to_hex()), Some(key));
        }
    }

    #[test]
    fn other_texts_are_no_key_and_no_key_is_shown() {
        let good = "00".repeat(KEY_BYTES);
        assert!(Key::from_hex(&good).is_some());
        for bad in ["", &good[1..], &format!("{good}0"), &good.replacen('0', "+", 1), &good.replacen("00", "é", 1)] {
            assert_eq!(Key::from_hex(bad), None);
        }
        assert_eq!(format!("{:?}", Key::from_hex(&good).unwrap()), "Key(..)");
        assert_ne!(Key::random().unwrap(), Key::random().unwrap());
    }
}
