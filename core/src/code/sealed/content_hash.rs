//! [`ContentHash`]: which executable a process runs, in a way that two hosts can compare.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::code::image::run_by_another;
use crate::os::refusal::no_proc;
use crate::tuning::HASH_BUFFER_BYTES;

/// The SHA-256 of an executable's bytes. Equal files have equal hashes on every host, whatever their paths and times are.
///
/// ```
/// use procession_core::ContentHash;
///
/// let hash = ContentHash::of(&b"abc"[..])?;
/// assert!(hash.to_string().starts_with("ba7816bf"));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// Returns the hash of the executable that this process runs, also if its file has been replaced or removed since.
    ///
    /// The first call reads the whole file.
    ///
    /// # Errors
    ///
    /// The file cannot be read; or another program, such as the dynamic loader or an emulator, was started to run this one.
    ///
    /// ```
    /// use procession_core::ContentHash;
    ///
    /// let path = std::env::current_exe()?;
    /// assert_eq!(ContentHash::own()?, ContentHash::of(std::fs::File::open(path)?)?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn own() -> io::Result<ContentHash> {
        static OWN: OnceLock<ContentHash> = OnceLock::new();
        if let Some(hash) = OWN.get() {
            return Ok(*hash);
        }
        if let Some(other) = run_by_another() {
            let text = format!("this program is run by `{}`, start it directly", other.display());
            return Err(io::Error::other(text));
        }
        // The kernel leads to the very file that runs, which may have no path any more.
        let hash = ContentHash::of(File::open("/proc/self/exe").map_err(no_proc)?)?;
        Ok(*OWN.get_or_init(|| hash))
    }

    /// Returns the hash of all that can be read.
    ///
    /// # Errors
    ///
    /// Reading fails.
    ///
    /// ```
    /// use procession_core::ContentHash;
    ///
    /// assert_ne!(ContentHash::of(&b"a"[..])?, ContentHash::of(&b"b"[..])?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn of(mut content: impl Read) -> io::Result<ContentHash> {
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; HASH_BUFFER_BYTES]);
        loop {
            match content.read(&mut buffer) {
                Ok(0) => return Ok(ContentHash(hash.finalize().into())),
                Ok(count) => hash.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    pub(super) fn from_bytes(bytes: [u8; 32]) -> ContentHash {
        ContentHash(bytes)
    }
}

impl fmt::Display for ContentHash {
    /// Writes 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}
