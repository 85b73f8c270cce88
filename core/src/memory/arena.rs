//! [`Arena`]: shared memory that grows while it is in use, and gives pages back.

use std::fmt;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::codec::{Kind, fd};
use crate::memory::mapping::MappingError;
use crate::os::memfd::{self, MemoryFault};
use crate::os::region::Region;

/// The window from `2^n` to `2^(n + 1)` has the number `n` less this.
const FIRST_WINDOW: u32 = Arena::HEAD.ilog2();
/// Offsets end here: 64 TiB, which every processor of today can map.
const LAST_WINDOW: u32 = 45;
const WINDOWS: usize = (LAST_WINDOW - FIRST_WINDOW + 1) as usize;

/// What an arena is in a message.
const KIND: Kind = Kind::own(*b"arena   ");

/// Zeroed memory that several processes share, which grows and gives memory back while they use it.
///
/// A place in it is named by its offset. Only what was [backed](Arena::back) takes up memory, all the rest are holes, so
/// offsets may be handed out generously. Each process maps what it touches, in a few windows, and a window stays where it is.
///
/// What the bytes mean, and who may touch them when, is up to its user, as for a [`Mapping`](crate::memory::mapping::Mapping).
///
/// # Examples
///
/// ```
/// use procession_core::{Arena, codec};
///
/// let arena = Arena::with_label("procession: example", 4096)?;
/// arena.back(Arena::HEAD, 65536)?;
/// assert!(arena.at(Arena::HEAD, 65536).is_some());
/// assert!(arena.at(Arena::HEAD, 65537).is_none(), "not backed");
///
/// let theirs: Arena = codec::decode(codec::encode(&arena)?)?;
/// assert!(theirs.at(Arena::HEAD + 8, 8).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Arena(Arc<Inner>);

struct Inner {
    head: Region,
    windows: [OnceLock<Region>; WINDOWS],
    /// The size of the file when it was last looked at. It never shrinks.
    size: AtomicU64,
    /// What the kernel said when a window could not be mapped the last time; 0 if it could.
    refused: AtomicI32,
    memory: OwnedFd,
}

impl Arena {
    /// How many bytes at the beginning are always mapped, for what all users of the arena look at.
    ///
    /// ```
    /// use procession_core::Arena;
    ///
    /// let arena = Arena::with_label("procession: example", 4096)?;
    /// arena.back(Arena::HEAD, 4096)?;
    /// assert!(arena.at(Arena::HEAD - 8, 8).is_some(), "in the first window");
    /// assert!(arena.at(Arena::HEAD - 8, 16).is_none(), "partly in the second");
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    pub const HEAD: u64 = 16 << 20;

    /// Makes an arena whose first `backed` bytes are allocated, under a label that shows in `/proc/PID/maps`.
    ///
    /// # Errors
    ///
    /// The memory is exhausted, or a limit on descriptors, mappings or the size of files is reached.
    ///
    /// # Examples
    ///
    /// ```
    /// let arena = procession_core::Arena::with_label("procession: example", 100)?;
    /// assert!(arena.at(0, 100).is_some());
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    pub fn with_label(label: &str, backed: u64) -> Result<Self, MappingError> {
        Self::create(label, backed).map_err(MappingError::from)
    }

    /// Where an offset lies in this process, if the `len` bytes from there are inside the memory and inside one window. A
    /// window reaches from one power of two to the next, the first from 0 to [`HEAD`](Self::HEAD).
    ///
    /// The address stays valid as long as a clone of the arena exists. Others may read and write there at any time, unless a
    /// protocol in the memory itself forbids them.
    ///
    /// # Examples
    ///
    /// ```
    /// let arena = procession_core::Arena::with_label("procession: example", 4096)?;
    /// assert!(arena.at(4090, 8).is_none());
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn at(&self, offset: u64, len: u64) -> Option<NonNull<u8>> {
        let end = offset.checked_add(len)?;
        // Relaxed: the size only grows. A stale one leads to a look at the file, and not to a wrong address.
        if end > self.0.size.load(Ordering::Relaxed) {
            self.look_at_size(end)?;
        }
        // The head is mapped from the beginning: what all users look at needs no table and cannot fail later.
        let (region, begin) = if offset < Self::HEAD {
            if end > Self::HEAD {
                return None;
            }
            (&self.0.head, 0)
        } else {
            let window = offset.ilog2();
            // Windows lie anywhere in the address space, so a piece that crosses into the next one has no address.
            if window > LAST_WINDOW || end > 2 << window {
                return None;
            }
            let number = (window - FIRST_WINDOW) as usize;
            let known = self.0.windows[number].get();
            (known.map_or_else(|| self.map_window(window), Some)?, 1 << window)
        };
        // SAFETY: the region shows the file from `begin` on to at least `end`, so the sum lies inside of it.
        Some(unsafe { region.start().add((offset - begin) as usize) })
    }

    /// Backs the bytes from an offset on with memory; what was backed before keeps its content.
    ///
    /// # Errors
    ///
    /// The memory is exhausted ([`MappingError::is_out_of_memory`]).
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::Arena;
    ///
    /// let arena = Arena::with_label("procession: example", 1)?;
    /// assert!(arena.back(Arena::HEAD, 1 << 60).unwrap_err().is_out_of_memory());
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    pub fn back(&self, offset: u64, len: u64) -> Result<(), MappingError> {
        memfd::allocate_at(&self.0.memory, offset, len).map_err(MappingError::from)
    }

    /// Gives the memory behind whole pages back to the machine. They read as zeros from then on, and take memory again if they
    /// are touched without having been [backed](Self::back).
    ///
    /// # Errors
    ///
    /// What the kernel says.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::Arena;
    ///
    /// let arena = Arena::with_label("procession: example", 1)?;
    /// arena.back(Arena::HEAD, 1 << 20)?;
    /// arena.punch(Arena::HEAD, 1 << 20)?;
    /// assert!(arena.at(Arena::HEAD, 1 << 20).is_some(), "its place stays");
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    pub fn punch(&self, offset: u64, len: u64) -> Result<(), MappingError> {
        memfd::punch(&self.0.memory, offset, len).map_err(MappingError::from)
    }

    /// Why a place that is there has no address: what the kernel said when this process could not map it the last time. `None` if
    /// everything that was asked for could be mapped.
    ///
    /// ```
    /// let arena = procession_core::Arena::with_label("procession: example", 4096)?;
    /// assert!(arena.at(8192, 8).is_none() && arena.refusal().is_none(), "there is no such place");
    /// # Ok::<(), procession_core::MappingError>(())
    /// ```
    #[must_use]
    pub fn refusal(&self) -> Option<MappingError> {
        let errno = Some(self.0.refused.load(Ordering::Relaxed)).filter(|errno| *errno != 0)?;
        Some(MappingError::from(cannot_map(std::io::Error::from_raw_os_error(errno))))
    }

    /// Serializes it as memory of another kind than that of an arena: then it cannot be received as one.
    ///
    /// # Errors
    ///
    /// It is not inside a message to another process.
    ///
    /// ```
    /// use procession_core::{Arena, codec::{self, Kind}};
    ///
    /// // SAFETY: no other code uses this name.
    /// const MINE: Kind = unsafe { Kind::new(*b"my arena") };
    ///
    /// struct Mine(Arena);
    ///
    /// impl serde::Serialize for Mine {
    ///     fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
    ///         self.0.serialize_as(MINE, serializer)
    ///     }
    /// }
    ///
    /// impl<'de> serde::Deserialize<'de> for Mine {
    ///     fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
    ///         Arena::deserialize_as(MINE, deserializer).map(Mine)
    ///     }
    /// }
    ///
    /// let message = codec::encode(&Mine(Arena::with_label("procession: example", 64)?))?;
    /// let copy = message.try_clone()?;
    /// assert!(codec::decode::<Mine>(message).is_ok() && codec::decode::<Arena>(copy).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn serialize_as<S: Serializer>(&self, kind: Kind, serializer: S) -> Result<S::Ok, S::Error> {
        fd::serialize_as(kind, self, serializer)
    }

    /// Deserializes what was [serialized](Self::serialize_as) as memory of this kind.
    ///
    /// # Errors
    ///
    /// It is something else.
    ///
    /// ```
    /// use procession_core::{Arena, codec::{self, Kind}};
    ///
    /// // SAFETY: no other code uses this name.
    /// const MINE: Kind = unsafe { Kind::new(*b"my arena") };
    ///
    /// struct Mine(Arena);
    ///
    /// impl serde::Serialize for Mine {
    ///     fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
    ///         self.0.serialize_as(MINE, serializer)
    ///     }
    /// }
    ///
    /// impl<'de> serde::Deserialize<'de> for Mine {
    ///     fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
    ///         Arena::deserialize_as(MINE, deserializer).map(Mine)
    ///     }
    /// }
    ///
    /// let message = codec::encode(&Mine(Arena::with_label("procession: example", 64)?))?;
    /// let copy = message.try_clone()?;
    /// assert!(codec::decode::<Mine>(message).is_ok() && codec::decode::<Arena>(copy).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn deserialize_as<'de, D: Deserializer<'de>>(kind: Kind, deserializer: D) -> Result<Self, D::Error> {
        Self::adopt(fd::deserialize_as(kind, deserializer)?).map_err(D::Error::custom)
    }

    fn create(label: &str, backed: u64) -> Result<Self, MemoryFault> {
        let memory = memfd::create(label)?;
        memfd::allocate_at(&memory, 0, backed)?;
        // A receiver relies on the seal: a page that was there once stays there. Growing remains allowed, for `back`.
        memfd::seal(&memory, memfd::NEVER_SMALLER)?;
        Self::map(memory, backed)
    }

    fn adopt(memory: OwnedFd) -> Result<Self, MemoryFault> {
        // Without the seal a peer could cut the file off, and a touch of the lost pages would end this process with SIGBUS.
        let size = memfd::verify_growing(&memory)?;
        Self::map(memory, size)
    }

    fn map(memory: OwnedFd, size: u64) -> Result<Self, MemoryFault> {
        let head = Region::shared_from(&memory, 0, HEAD_LEN).map_err(cannot_map)?;
        let windows = [const { OnceLock::new() }; WINDOWS];
        Ok(Self(Arc::new(Inner { head, windows, size: AtomicU64::new(size), refused: AtomicI32::new(0), memory })))
    }

    #[cold]
    fn look_at_size(&self, wanted: u64) -> Option<()> {
        let size = memfd::size(&self.0.memory).ok()?;
        // By the maximum: another thread may have seen a larger file meanwhile, and the size must never go back.
        self.0.size.fetch_max(size, Ordering::Relaxed);
        (wanted <= size).then_some(())
    }

    #[cold]
    fn map_window(&self, window: u32) -> Option<&Region> {
        let place = &self.0.windows[(window - FIRST_WINDOW) as usize];
        let len = NonZeroUsize::new(1 << window)?;
        let region = Region::shared_from(&self.0.memory, 1 << window, len);
        let refused = region.as_ref().err().map_or(0, |error| error.raw_os_error().unwrap_or(0));
        // Stored also when it is 0: an earlier refusal must not explain a later failure.
        self.0.refused.store(refused, Ordering::Relaxed);
        let region = region.ok()?;
        // Where another thread was faster, its window is used and this one unmapped.
        Some(place.get_or_init(|| region))
    }
}

const HEAD_LEN: NonZeroUsize = NonZeroUsize::new(Arena::HEAD as usize).expect("not zero");

fn cannot_map(error: std::io::Error) -> MemoryFault {
    MemoryFault::system("map shared memory", error)
}

impl AsFd for Arena {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.memory.as_fd()
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { head, windows, size, refused: _, memory } = &*self.0;
        let windows = windows.iter().filter(|window| window.get().is_some()).count();
        let mut shown = f.debug_struct("Arena");
        shown
            .field("head", &head.start())
            .field("windows", &windows)
            .field("size", size)
            .field("memory", memory)
            .finish()
    }
}

impl Serialize for Arena {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize_as(KIND, serializer)
    }
}

impl<'de> Deserialize<'de> for Arena {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize_as(KIND, deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Arena {
        Arena::with_label("procession: test", 4096).expect("there is memory")
    }

    #[test]
    fn what_one_writes_the_other_reads_in_every_window() {
        let mine = fresh();
        let theirs = Arena::adopt(mine.as_fd().try_clone_to_owned().expect("a duplicate")).expect("it is an arena");
        for offset in [0, 8, Arena::HEAD, Arena::HEAD + 65536, 4 * Arena::HEAD, (1 << 40) + 4096] {
            mine.back(offset, 4096).expect("there is memory");
            let here = mine.at(offset, 8).expect("it is backed").cast::<u64>();
            let there = theirs.at(offset, 8).expect("it is backed").cast::<u64>();
            // SAFETY: backed, mapped, aligned, and nobody else touches it.
            unsafe { here.write_volatile(offset + 7) };
            // SAFETY: as above.
            assert_eq!(unsafe { there.read_volatile() }, offset + 7);
        }
    }

    #[test]
    fn nothing_outside_has_an_address() {
        let arena = fresh();
        for (offset, len) in [(4096, 1), (u64::MAX, 2), (Arena::HEAD, 8), (0, 4097)] {
            assert!(arena.at(offset, len).is_none(), "{offset} + {len}");
        }
        arena.back(0, 4 * Arena::HEAD).expect("there is memory");
        assert!(arena.at(2 * Arena::HEAD - 8, 16).is_none(), "across two windows");
        assert!(arena.at(Arena::HEAD - 8, 16).is_none(), "across two windows");
    }

    #[test]
    fn other_descriptors_are_refused() {
        let file = std::fs::File::open("/dev/zero").expect("there is one");
        assert!(Arena::adopt(file.into()).is_err());
        let unsealed = memfd::create("procession: test").expect("there is memory");
        assert!(Arena::adopt(unsealed).expect_err("no seals").to_string().contains("seals"));
    }

    #[test]
    fn punched_memory_is_given_back() {
        let arena = fresh();
        arena.back(Arena::HEAD, 8 << 20).expect("there is memory");
        let blocks = |arena: &Arena| nix::sys::stat::fstat(arena).expect("a file").st_blocks;
        let before = blocks(&arena);
        arena.punch(Arena::HEAD, 8 << 20).expect("whole pages");
        assert_eq!(before - blocks(&arena), (8 << 20) / 512);
    }
}
