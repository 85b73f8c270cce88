//! [`Fnv`]: a hash that is the same in all programs.

/// The hash of Fowler, Noll and Vo, which is the same in every program.
pub(super) struct Fnv(pub(super) u64);

impl Fnv {
    pub(super) fn new() -> Fnv {
        // The offset basis of FNV-1a with 64 bits, whose prime stands in `add`. The hasher of std may change with each release.
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    /// Adds bytes, and their length, so that their bounds count too.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&(bytes.len() as u64).to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
