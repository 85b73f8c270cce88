//! Names for shared memory: a record of its holders, from which the next process gets a descriptor.
//!
//! The record is a small file that only this user can read, `procession.NAME` in `/dev/shm`, locked while it is read and written:
//!
//! ```text
//! procession 2 ID LENGTH
//! IDENTITY DESCRIPTOR
//! IDENTITY DESCRIPTOR
//! ```
//!
//! `ID` is in the memory, too, so that a descriptor which means something else by now is not mistaken for it.
//!
//! A process that opens the name adds a line, in one write: if it is killed in the middle, the lines before are still there, and half a line
//! is skipped. The file is written anew only when no living process has the memory, and by renaming a whole file over it when many
//! of its lines are those of dead holders.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use procession_core::Mapping;
use procession_core::os::identity::ProcessIdentity;
use procession_core::os::own_file;
use serde::{Deserialize, Serialize};

use crate::error::CreateError;
use crate::segment::{Machine, Segment};
use crate::tuning::{MAX_RECORD_HOLDERS, RECORD_LOCK_PAUSE, RECORD_LOCK_TIMEOUT};

/// Bytes in shared memory, which can have a name.
pub(crate) type NamedBytes = Segment<RawBytes, [AtomicU8]>;

/// The number that the record of a name and its memory have in common; 0 without a name.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RawBytes {
    id: AtomicU64,
}

// SAFETY: `repr(C)`, one atomic, fresh when zeroed.
unsafe impl Machine for RawBytes {
    const KIND: u64 = 9;
    const NAME: &str = "shared memory";
}

/// A name could not be used.
///
/// It can be sent to another process, which gets the same text.
///
/// # Examples
///
/// ```
/// let error = procession_sync::SharedMemory::open("a/b").unwrap_err();
/// assert_eq!(error.to_string(), "\"a/b\" cannot be a name: use 1 to 200 characters, no slash and no control character");
/// ```
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[error(transparent)]
#[serde(transparent)]
pub struct NameError(#[from] NameErrorKind);

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
enum NameErrorKind {
    #[error("{0:?} cannot be a name: use 1 to 200 characters, no slash and no control character")]
    NoName(String),
    #[error("shared memory {0:?} exists already, open it or use another name")]
    Taken(String),
    #[error("no living process has shared memory {0:?}, create it first")]
    NotFound(String),
    #[error("{0}")]
    Create(CreateError),
    #[error("the record of shared memory {0:?} cannot be used: {1}")]
    Record(String, #[serde(with = "words")] io::Error),
}

impl NameError {
    /// Returns whether a living process has memory of this name.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!procession_sync::SharedMemory::open("not-in-use").unwrap_err().is_taken());
    /// ```
    #[must_use]
    pub fn is_taken(&self) -> bool {
        matches!(self.0, NameErrorKind::Taken(_))
    }

    /// Returns whether no living process has memory of this name.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(procession_sync::SharedMemory::open("not-in-use").unwrap_err().is_not_found());
    /// ```
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self.0, NameErrorKind::NotFound(_))
    }
}

/// Sends the text of an error of the operating system, which itself cannot be sent.
mod words {
    use std::io;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(error: &io::Error, serializer: S) -> Result<S::Ok, S::Error> {
        error.to_string().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<io::Error, D::Error> {
        String::deserialize(deserializer).map(io::Error::other)
    }
}

/// A process that has the memory, and the number of its descriptor.
#[derive(Clone, Copy, PartialEq)]
struct Holder {
    who: ProcessIdentity,
    descriptor: RawFd,
}

/// The content of a record.
struct Record {
    id: u64,
    len: usize,
    holders: Vec<Holder>,
}

pub(crate) fn create(
    name: &str,
    memory: impl FnOnce() -> Result<NamedBytes, CreateError>,
) -> Result<NamedBytes, NameError> {
    let path = path_of(name)?;
    let fault = |error| NameErrorKind::Record(name.to_owned(), error);
    let mut file = locked(&path, true).map_err(fault)?;
    if read(&mut file).map_err(fault)?.is_some_and(|record| record.find().is_some()) {
        return Err(NameErrorKind::Taken(name.to_owned()).into());
    }
    let memory = memory().map_err(NameErrorKind::Create)?;
    // Stored before the record names it, so that an opener that reads the record finds it in the memory. Relaxed: the file lock orders it.
    let id = new_id();
    memory.machine().id.store(id, Ordering::Relaxed);
    let record = Record { id, len: memory.mapping().len(), holders: vec![Holder::this(&memory)] };
    // No living process is in the old record, so that nothing is lost when this is cut short.
    file.set_len(0).and_then(|()| file.rewind()).map_err(fault)?;
    file.write_all(record.text().as_bytes()).map_err(fault)?;
    Ok(memory)
}

pub(crate) fn open(name: &str) -> Result<NamedBytes, NameError> {
    let path = path_of(name)?;
    let fault = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => NameErrorKind::NotFound(name.to_owned()),
        _ => NameErrorKind::Record(name.to_owned(), error),
    };
    let mut file = locked(&path, false).map_err(fault)?;
    let mut record = read(&mut file).map_err(fault)?.ok_or_else(|| NameErrorKind::NotFound(name.to_owned()))?;
    let memory = record.find().ok_or_else(|| NameErrorKind::NotFound(name.to_owned()))?;
    let this = Holder::this(&memory);
    if record.holders.contains(&this) {
        // An earlier handle of this process had the same number, and its line is still there.
        return Ok(memory);
    }
    // A line more in one write is safe at any kill; a rewrite is only worth it when many lines are those of the dead.
    if record.holders.len() < MAX_RECORD_HOLDERS {
        append(&mut file, this).map_err(fault)?;
        return Ok(memory);
    }
    record.holders.retain(|holder| holder.who.is_alive());
    record.holders.push(this);
    replace(&path, &record).map_err(fault)?;
    Ok(memory)
}

pub(crate) fn unlink(name: &str) -> Result<(), NameError> {
    std::fs::remove_file(path_of(name)?).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => NameErrorKind::NotFound(name.to_owned()).into(),
        _ => NameErrorKind::Record(name.to_owned(), error).into(),
    })
}

impl Record {
    /// Returns the memory, from the first living holder that still has it.
    fn find(&self) -> Option<NamedBytes> {
        self.holders.iter().filter(|holder| holder.who.is_alive()).find_map(|holder| {
            let link = format!("/proc/{}/fd/{}", holder.who.pid(), holder.descriptor);
            // The number may by now be that of something else in the holder: size and id are compared before it is believed.
            let file = OpenOptions::new().read(true).write(true).open(link).ok()?;
            let memory = NamedBytes::from_mapping(Mapping::from_descriptor(file.into(), self.len).ok()?).ok()?;
            (memory.machine().id.load(Ordering::Relaxed) == self.id).then_some(memory)
        })
    }
}

impl Record {
    fn text(&self) -> String {
        let mut text = format!("procession 2 {} {}\n", self.id, self.len);
        for Holder { who, descriptor } in &self.holders {
            let _into_a_string_always = writeln!(text, "{} {descriptor}", who.to_bits());
        }
        text
    }
}

impl Holder {
    fn this(memory: &NamedBytes) -> Holder {
        Holder { who: ProcessIdentity::current(), descriptor: memory.mapping().as_fd().as_raw_fd() }
    }
}

fn path_of(name: &str) -> Result<PathBuf, NameErrorKind> {
    let fits = (1..=200).contains(&name.len()) && !name.contains(|c: char| c == '/' || c.is_control());
    if !fits {
        return Err(NameErrorKind::NoName(name.to_owned()));
    }
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
    Ok(folder.join(format!("procession.{name}")))
}

/// Opens the record and waits for its lock; opens it again when it was removed or replaced meanwhile.
fn locked(path: &Path, create: bool) -> io::Result<File> {
    let deadline = Instant::now() + RECORD_LOCK_TIMEOUT;
    loop {
        let file = own_file::open(path, create)?;
        // A process that replaces the record renames a new file over it, so that the lock just taken may be that of a file without a name.
        lock_until(&file, deadline)?;
        let ours = file.metadata()?;
        match std::fs::symlink_metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => return Ok(file),
            _ => {}
        }
    }
}

/// Locks `file`, or fails at the deadline. It polls, because the kernel has no file lock with a time limit, and a signal that interrupts
/// one belongs to the program. The lock is contended only when two processes open one name within microseconds.
fn lock_until(file: &File, deadline: Instant) -> io::Result<()> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                let text = "another process of this user has locked it, and is stopped perhaps";
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(RECORD_LOCK_PAUSE),
        }
    }
}

/// Reads the record; `None` for a new file, and for one that is no record.
fn read(file: &mut File) -> io::Result<Option<Record>> {
    let mut text = String::new();
    // A mebibyte: the record of `MAX_RECORD_HOLDERS` lines has 8 KiB, and another program's file of that name may be of any size.
    match file.take(1 << 20).read_to_string(&mut text) {
        Ok(_) => Ok(parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse(text: &str) -> Option<Record> {
    let mut lines = text.lines();
    let (id, len) = lines.next()?.strip_prefix("procession 2 ")?.split_once(' ')?;
    let holder = |line: &str| {
        let (who, descriptor) = line.split_once(' ')?;
        let who = ProcessIdentity::from_bits(who.parse().ok()?)?;
        Some(Holder { who, descriptor: descriptor.parse().ok().filter(|number| *number >= 0)? })
    };
    Some(Record { id: id.parse().ok()?, len: len.parse().ok()?, holders: lines.filter_map(holder).collect() })
}

/// Adds a line. It begins with a line end, because the line before may have been cut short.
fn append(file: &mut File, holder: Holder) -> io::Result<()> {
    file.seek(SeekFrom::End(0))?;
    file.write_all(format!("\n{} {}\n", holder.who.to_bits(), holder.descriptor).as_bytes())
}

/// Replaces the record, whose lock is held, by a whole new one.
fn replace(path: &Path, record: &Record) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // No name begins with a dot. A file that was left by a killed process is used again.
    let beside = path.with_file_name(format!(".{name}"));
    let mut file = own_file::open(&beside, true)?;
    file.set_len(0)?;
    file.write_all(record.text().as_bytes())?;
    std::fs::rename(&beside, path)
}

/// Returns a number that no other memory of this user has: from a hasher that the system seeds.
fn new_id() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // Never 0, which is the id of memory without a name, so that such memory is not taken for that of a record.
    RandomState::new().hash_one(ProcessIdentity::current()) | 1
}
