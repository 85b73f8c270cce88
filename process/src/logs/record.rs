//! A log record on its way, and its frame: four bytes of length, then the encoded record.
//!
//! The lengths fit together: a text of 16 KiB and three labels of 1 KiB make a frame that a socket takes whole or not at all. A
//! frame that would be longer, by the name of its process, is counted as dropped.

use log::{Level, Record};
use procession_core::codec::{self, Message};
use serde::{Deserialize, Serialize};

/// The longest text of a record, in bytes.
pub(super) const TEXT: usize = 16 * 1024;
/// The longest frame: what a socket takes whole or not at all.
const FRAME: usize = 30 * 1024;
/// The longest of the other strings, in bytes.
const LABEL: usize = 1024;
/// The bytes of the length.
const HEADER: usize = 4;

/// A record with its process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecordFrame {
    /// The name of the process that has logged it, which is not cut.
    pub(super) process: String,
    pub(super) pid: u32,
    /// The number of records before this one that were dropped.
    pub(super) dropped: u64,
    pub(super) entry: Entry,
}

/// A record's own part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The level as the number that `log` gives it.
    level: usize,
    /// Cut to [`LABEL`], as `module` and `file` are.
    pub(super) target: String,
    pub(super) module: Option<String>,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
    /// The message, cut to [`TEXT`].
    pub(super) text: String,
}

impl Entry {
    /// Makes the part of a record that is sent, in the child that has logged it.
    pub(super) fn of(record: &Record<'_>) -> Entry {
        Entry {
            level: record.level() as usize,
            target: cut(record.target().to_owned(), LABEL),
            module: record.module_path().map(|path| cut(path.to_owned(), LABEL)),
            file: record.file().map(|file| cut(file.to_owned(), LABEL)),
            line: record.line(),
            text: cut(record.args().to_string(), TEXT),
        }
    }

    /// Returns the level; `Error` for a number that `log` does not have.
    pub(super) fn level(&self) -> Level {
        Level::iter().find(|level| *level as usize == self.level).unwrap_or(Level::Error)
    }
}

impl RecordFrame {
    /// Returns the frame; `None` for a record that cannot be encoded.
    pub(super) fn frame(&self) -> Option<Vec<u8>> {
        let message = codec::encode(self).ok()?;
        let bytes = message.bytes();
        let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= FRAME)?;
        Some([&length.to_le_bytes(), bytes].concat())
    }
}

/// Takes the first frame off the front of `bytes`. `Ok(None)`: it is not complete.
///
/// # Errors
///
/// The bytes are no record, and the start of the next cannot be known.
pub(super) fn take(arrived: &mut Vec<u8>) -> Result<Option<RecordFrame>, String> {
    let Some((header, rest)) = arrived.split_first_chunk::<HEADER>() else { return Ok(None) };
    let length = u32::from_le_bytes(*header) as usize;
    // Before the rest is waited for: with a wrong length no record would ever be complete again.
    if length > FRAME {
        return Err(format!("a record of {length} bytes is longer than any"));
    }
    let Some(bytes) = rest.get(..length) else { return Ok(None) };
    let record = codec::decode(Message::new(bytes.to_vec(), Vec::new())).map_err(|error| error.to_string());
    arrived.drain(..HEADER + length);
    record.map(Some)
}

/// Cuts a text that is too long, and says so at its end.
fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        // `truncate` panics inside a character.
        let end = text.floor_char_boundary(max);
        let missing = text.len() - end;
        text.truncate(end);
        text.push_str(&format!("… ({missing} more bytes)"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn travelling(text: &str) -> RecordFrame {
        let record = Record::builder().level(Level::Warn).target("t").line(Some(3)).build();
        let entry = Entry { text: cut(text.to_owned(), TEXT), ..Entry::of(&record) };
        RecordFrame { process: "p".into(), pid: 1, dropped: 2, entry }
    }

    #[test]
    fn frames_come_back_however_they_are_split() {
        let records = [travelling("a"), travelling(""), travelling(&"ä".repeat(TEXT))];
        let stream: Vec<u8> = records.iter().flat_map(|record| record.frame().unwrap()).collect();
        let (mut arrived, mut found) = (Vec::new(), Vec::new());
        for byte in stream {
            arrived.push(byte);
            found.extend(take(&mut arrived).unwrap());
        }
        assert_eq!(found, records);
        assert_eq!(found[0].entry.level(), Level::Warn);
    }

    #[test]
    fn a_long_text_is_cut_where_a_character_ends_and_says_so() {
        assert_eq!(cut("äö".into(), 3), "ä… (2 more bytes)");
        assert_eq!(cut("äö".into(), 4), "äö");
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        assert!(take(&mut u32::MAX.to_le_bytes().to_vec()).is_err());
        assert!(take(&mut vec![1, 0, 0, 0, 0xff]).is_err());
        assert_eq!(take(&mut vec![200, 0, 0, 0, 1]), Ok(None));
    }
}
