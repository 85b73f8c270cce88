//! The file with the key of agents that come by themselves.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::key::{KEY_BYTES, Key};

/// Bits of a file's mode that let other users in.
const OTHERS: u32 = 0o077;

/// Reads a key from a file that only its owner may open. It holds 64 hexadecimal digits.
///
/// # Errors
///
/// The file cannot be read, lets other users in, or holds no key.
pub(crate) fn read(path: &Path) -> io::Result<Key> {
    let file = File::open(path)?;
    let about = file.metadata()?;
    if about.mode() & OTHERS != 0 {
        let text = format!("other users may open it (mode {:03o}); run `chmod 600` on it", about.mode() & 0o777);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    let mut text = String::new();
    // One more than a key with its line end, so that a longer file is noticed and a huge one not read.
    file.take(2 * KEY_BYTES as u64 + 3).read_to_string(&mut text)?;
    let key = Key::from_hex(text.trim_end());
    key.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("it does not hold {} hexadecimal digits", 2 * KEY_BYTES))
    })
}

/// Writes a new key to a file that must not exist yet, readable by its owner alone.
///
/// # Errors
///
/// The file exists, or cannot be written.
pub(crate) fn create(path: &Path) -> io::Result<Key> {
    let key = Key::random()?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(format!("{}\n", key.to_hex()).as_bytes())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = create(&path).unwrap();
        assert_eq!(read(&path).unwrap(), key);
        assert_eq!(create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_file_of_others_or_without_a_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        for text in ["", "abc", &"0".repeat(2 * KEY_BYTES + 1)] {
            fs::write(&path, text).unwrap();
            assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
