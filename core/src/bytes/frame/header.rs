//! The header of a frame, and the checksum in it.

use super::error::FrameError;

/// What comes before each payload: its length, the number of descriptors beside it, and a checksum over both.
///
/// # Examples
///
/// ```
/// use procession_core::frame::FrameHeader;
///
/// let header = FrameHeader::new(300, 2)?;
/// assert_eq!(FrameHeader::decode(header.encode())?, header);
/// # Ok::<(), procession_core::frame::FrameError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    len: u32,
    descriptors: u16,
}

impl FrameHeader {
    /// The size of an encoded header, in bytes.
    ///
    /// ```
    /// use procession_core::frame::FrameHeader;
    ///
    /// assert_eq!(FrameHeader::new(300, 2)?.encode().len(), FrameHeader::SIZE);
    /// # Ok::<(), procession_core::frame::FrameError>(())
    /// ```
    pub const SIZE: usize = 8;

    /// Makes the header for a payload of `len` bytes with `descriptors` descriptors.
    ///
    /// # Errors
    ///
    /// A frame holds at most `u32::MAX` bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::frame::FrameHeader;
    ///
    /// assert!(FrameHeader::new(usize::MAX, 0).is_err());
    /// ```
    pub fn new(len: usize, descriptors: u16) -> Result<Self, FrameError> {
        let too_large = |_| FrameError::TooLarge { len, limit: u32::MAX as usize };
        Ok(Self { len: u32::try_from(len).map_err(too_large)?, descriptors })
    }

    /// The bytes of the header, all numbers little-endian: length (4), descriptors (2), checksum (2).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::frame::FrameHeader;
    ///
    /// assert_eq!(FrameHeader::new(258, 3)?.encode()[..6], [2, 1, 0, 0, 3, 0]);
    /// # Ok::<(), procession_core::frame::FrameError>(())
    /// ```
    #[must_use]
    pub fn encode(self) -> [u8; Self::SIZE] {
        let [a, b, c, d] = self.len.to_le_bytes();
        let [e, f] = self.descriptors.to_le_bytes();
        let [x, y] = checksum([a, b, c, d, e, f]).to_le_bytes();
        [a, b, c, d, e, f, x, y]
    }

    /// Reads a header.
    ///
    /// # Errors
    ///
    /// The checksum is wrong: these bytes are no header.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::frame::{FrameError, FrameHeader};
    ///
    /// assert_eq!(FrameHeader::decode([0; 8]), Err(FrameError::BadHeader));
    /// ```
    pub fn decode([a, b, c, d, e, f, x, y]: [u8; Self::SIZE]) -> Result<Self, FrameError> {
        if u16::from_le_bytes([x, y]) != checksum([a, b, c, d, e, f]) {
            return Err(FrameError::BadHeader);
        }
        Ok(Self { len: u32::from_le_bytes([a, b, c, d]), descriptors: u16::from_le_bytes([e, f]) })
    }

    /// The length of the payload, in bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_core::frame::FrameHeader::new(7, 0)?.payload_len(), 7);
    /// # Ok::<(), procession_core::frame::FrameError>(())
    /// ```
    #[must_use]
    pub fn payload_len(self) -> usize {
        self.len as usize
    }

    /// Returns how many descriptors travel beside the payload.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(procession_core::frame::FrameHeader::new(7, 2)?.descriptors(), 2);
    /// # Ok::<(), procession_core::frame::FrameError>(())
    /// ```
    #[must_use]
    pub fn descriptors(self) -> u16 {
        self.descriptors
    }
}

/// CRC-16 with the polynomial of CCITT: it notices every change within two neighbouring bytes, and eight zeros are no
/// header.
fn checksum(bytes: [u8; 6]) -> u16 {
    bytes.into_iter().fold(u16::MAX, |crc, byte| {
        let [high, low] = crc.to_be_bytes();
        u16::from_be_bytes([low, 0]) ^ REMAINDERS[usize::from(high ^ byte)]
    })
}

const REMAINDERS: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_published_one() {
        // The check value of CRC-16/IBM-3740 is 0x29b1 for "123456789"; its intermediate value after six bytes is
        // compared here with the bitwise definition.
        let bitwise =
            b"123456".iter().fold(u16::MAX, |crc, &byte| {
                (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
                    if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
                })
            });
        assert_eq!(checksum(*b"123456"), bitwise);
    }
}
