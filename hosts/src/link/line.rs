//! One line from a stream, and not a byte more: what follows it belongs to another reader.

use std::io::{self, Read};

/// Reads up to the end of a line, which is not part of the result. Returns `None` at the end of the stream.
///
/// # Errors
///
/// The line is longer than `max_bytes`, or reading fails.
pub(crate) fn read(mut from: impl Read, max_bytes: usize) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        // One byte at a time: a larger read would take a part of the sealed stream that follows.
        match from.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) if byte[0] == b'\n' => return Ok(Some(String::from_utf8_lossy(&line).into_owned())),
            Ok(_) if line.len() == max_bytes => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("a line has more than {max_bytes} bytes"),
                ));
            }
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_nothing_behind_it() {
        let mut stream = &b"one\ntwo"[..];
        assert_eq!(read(&mut stream, 3).unwrap().as_deref(), Some("one"));
        assert_eq!(stream, b"two");
        assert_eq!(read(&mut stream, 8).unwrap(), None);
        assert!(read(&b"long\n"[..], 3).is_err());
    }
}
