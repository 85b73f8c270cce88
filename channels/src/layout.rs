//! What lies where in the arena of a channel. All of it is atomics for which all zeros is the fresh state.
//!
//! | offset | what |
//! | --- | --- |
//! | 0 | the [`Header`]: a few lines for each chain, the allocator's state, and who holds items |
//! | [`TABLE`] | one [`Entry`] for each extent |
//! | `Arena::HEAD` and up | extents, each aligned to its size, which is a power of two |

use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, AtomicU64};

use procession_core::Arena;
use procession_sync::RobustLock;

/// "Procession's channel, layout 4": changes whenever the layout or the protocol does.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"prochan\x04");
/// A pipe has a chain for each direction.
pub(crate) const CHAINS: usize = 2;
/// Where the table of extents begins.
pub(crate) const TABLE: u64 = 64 << 10;
/// How many extents a channel can have.
pub(crate) const EXTENTS: u32 = 1 << 18;
/// The smallest extent.
pub(crate) const SMALLEST: u64 = 64 << 10;
/// How many sizes of extents there are, each twice the one before.
pub(crate) const CLASSES: usize = 28;
/// How many processes can hold items of a joinable queue at a time.
pub(crate) const HOLDERS: usize = 480;

/// What all ends of a channel look at.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) magic: AtomicU64,
    pub(crate) chains: [Links; CHAINS],
    pub(crate) alloc: Alloc,
    pub(crate) tally: Tally,
}

/// The two ends of a chain of blocks.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) tail: End,
    pub(crate) head: End,
    pub(crate) wake: Wake,
}

/// One end: what is behind it is committed by a single store, of [`commit`](End::commit).
///
/// What the other end looks at is apart from what only those use who hold the lock: so the lock stays in the cache of the one who
/// adds, or takes, item after item, however often somebody looks.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct End {
    /// How many items have passed, times 2, plus which of the two places is valid.
    pub(crate) commit: AtomicU64,
    /// How many bytes have passed. Deaths may leave it a little wrong.
    pub(crate) bytes: AtomicU64,
    pub(crate) apart: Apart,
    pub(crate) lock: RobustLock,
    /// Where the next item goes, or comes from.
    pub(crate) place: [AtomicU64; 2],
    /// How many items had passed the other end when it was last looked at.
    pub(crate) seen: AtomicU64,
    /// How many bytes had passed the other end when it was last looked at.
    pub(crate) bytes_seen: AtomicU64,
    /// The number of the last message that carried descriptors.
    pub(crate) parcel: AtomicU64,
    /// What [`commit`](End::commit) is about to become, while receivers are woken for it.
    pub(crate) intent: AtomicU64,
}

/// What comes after this is in other lines of memory, and not in the one that processors like to fetch with them.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Apart;

/// Who sleeps, and what never changes.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Wake {
    /// The state of receivers that wait for items.
    pub(crate) items: AtomicU32,
    /// The state of senders that wait for space.
    pub(crate) space: AtomicU32,
    /// Set when a receiver has gone, for senders to look whether others are left.
    pub(crate) look: AtomicU32,
    /// How many items may be queued.
    pub(crate) capacity: AtomicU64,
    /// With how many bytes queued there is no room for another item.
    pub(crate) window: AtomicU64,
}

/// The allocator of extents.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Alloc {
    pub(crate) lock: RobustLock,
    /// How many extents there are.
    pub(crate) count: AtomicU64,
    /// Where the next extent may begin.
    pub(crate) end: AtomicU64,
    /// With how many extents it is time to look for those of the dead.
    pub(crate) reap_at: AtomicU64,
    /// How much memory is behind the free extents.
    pub(crate) spare: AtomicU64,
    /// About the largest of the recent messages.
    pub(crate) largest: AtomicU64,
    /// Somebody has died in the middle of something: extents may be in nobody's hands.
    pub(crate) dirty: AtomicU64,
    /// The last extent that was given back and is not in a list yet (its number plus 1). Giving one back needs no lock, so that
    /// it never waits for anybody: who has the lock next puts it in its list.
    pub(crate) returned: AtomicU32,
    /// For each size the first free extent with memory behind it (its number plus 1).
    pub(crate) warm: [AtomicU32; CLASSES],
    /// For each size the first free extent without.
    pub(crate) cold: [AtomicU32; CLASSES],
}

/// One extent.
#[repr(C, align(32))]
#[derive(Debug)]
pub(crate) struct Entry {
    /// Where it lies, plus the number of its size class.
    pub(crate) place: AtomicU64,
    /// How many of its bytes have memory behind them.
    pub(crate) backed: AtomicU64,
    /// [`FREE`], [`QUEUED`], or the process that holds it.
    pub(crate) owner: AtomicU64,
    /// The next in the list of free ones (its number plus 1).
    pub(crate) next: AtomicU32,
}

/// Nobody's: it is in a list of free ones.
pub(crate) const FREE: u64 = 0;
/// Part of a chain, or a message in it.
pub(crate) const QUEUED: u64 = 1 << 63;

/// Who has taken items of a joinable queue and not finished them. Under the lock of the first chain's head.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Tally {
    /// Moves whenever something was finished; one who joins sleeps on it.
    pub(crate) moves: AtomicU32,
    pub(crate) finished: AtomicU64,
    /// How many items were lost with their holders.
    pub(crate) lost: AtomicU64,
    /// The last process that items were lost with.
    pub(crate) culprit: AtomicU64,
    pub(crate) holders: [Holder; HOLDERS],
}

/// One process that holds items.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Holder {
    pub(crate) who: AtomicU64,
    pub(crate) count: AtomicU64,
}

/// What is allocated when a channel is made: the header and the first page of the table.
pub(crate) const BACKED_HEAD: u64 = (size_of::<Header>() as u64).next_multiple_of(PAGE);
pub(crate) const PAGE: u64 = 4096;
/// How many entries of the table are in one page.
pub(crate) const ENTRIES_A_PAGE: u32 = PAGE as u32 / size_of::<Entry>() as u32;

const _: () = assert!(size_of::<Header>() as u64 <= TABLE, "the table does not begin inside the header");
const _: () = assert!(TABLE + EXTENTS as u64 * size_of::<Entry>() as u64 <= Arena::HEAD, "the table fits the head");
const _: () = assert!(size_of::<Entry>() == 32, "whole entries fill a page");
const _: () = assert!(offset_of!(End, lock) == 128, "what others look at is apart from the lock");
