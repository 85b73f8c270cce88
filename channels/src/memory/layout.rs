//! What lies where in the arena of a channel. All of it is atomics for which all zeros is the fresh state.
//!
//! | offset | what |
//! | --- | --- |
//! | 0 | the [`Header`]: a few cache lines for each chain, the state of the allocator, and the processes that hold items |
//! | [`TABLE`] | one [`Entry`] for each extent |
//! | `Arena::HEAD` and up | extents, each aligned to its size, which is a power of two |

use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, AtomicU64};

use procession_core::Arena;
use procession_sync::RobustLock;

/// "Procession's channel, layout 5": changes whenever the layout or the protocol does.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"prochan\x05");
/// A pipe has a chain for each direction.
pub(crate) const CHAINS: usize = 2;
/// Offset of the table of extents.
pub(crate) const TABLE: u64 = 64 << 10;
/// Largest number of extents of a channel.
pub(crate) const MAX_EXTENTS: u32 = 1 << 18;
/// Bytes of the smallest extent.
pub(crate) const MIN_EXTENT_BYTES: u64 = 64 << 10;
/// Number of sizes of extents, each twice the one before.
pub(crate) const SIZE_CLASSES: usize = 28;
/// Largest number of processes that hold items of a joinable queue at a time.
pub(crate) const MAX_HOLDERS: usize = 480;

/// What all ends of a channel share.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) magic: AtomicU64,
    pub(crate) chains: [ChainState; CHAINS],
    pub(crate) allocator: Allocator,
    pub(crate) outstanding: Outstanding,
}

/// The two ends of a chain of blocks.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct ChainState {
    pub(crate) tail: End,
    pub(crate) head: End,
    pub(crate) waiters: Waiters,
}

/// One end. A single store, to [`commit`](End::commit), makes everything true that was done to it.
///
/// What the peers look at is apart from what only the lock holder uses. So the lock stays in the cache of a process that adds,
/// or takes, item after item, however often its peers look.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct End {
    /// Number of items that have passed, times 2, plus the index of the valid position.
    pub(crate) commit: AtomicU64,
    /// Number of bytes that have passed. Deaths may leave it a little wrong.
    pub(crate) bytes: AtomicU64,
    pub(crate) gap: CacheLineGap,
    pub(crate) lock: RobustLock,
    /// Where the next item goes, or comes from.
    pub(crate) positions: [AtomicU64; 2],
    /// Number of items that had passed the other end at the last look.
    pub(crate) peer_items: AtomicU64,
    /// Number of bytes that had passed the other end at the last look.
    pub(crate) peer_bytes: AtomicU64,
    /// Number of the last packet of descriptors.
    pub(crate) last_fd_packet: AtomicU64,
    /// The next value of [`commit`](End::commit), while receivers are being woken for it.
    pub(crate) announced: AtomicU64,
}

/// Puts what follows into other cache lines, and not into the one that processors prefetch with them.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct CacheLineGap;

/// Who sleeps, and what never changes.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Waiters {
    /// State of receivers that wait for items.
    pub(crate) receivers: AtomicU32,
    /// State of senders that wait for space.
    pub(crate) senders: AtomicU32,
    /// 1 after a receiver was dropped: senders check whether others are left.
    pub(crate) receiver_dropped: AtomicU32,
    /// Largest number of queued items.
    pub(crate) capacity: AtomicU64,
    /// With this many bytes queued, senders wait.
    pub(crate) byte_capacity: AtomicU64,
}

/// State of [`Waiters`]: a waiter is about to sleep, and needs a wake-up. In state 0 none does.
pub(crate) const ARMED: u32 = 1;
/// State of [`Waiters`]: the wake-up was sent.
pub(crate) const NOTIFIED: u32 = 2;

/// The allocator of extents.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Allocator {
    pub(crate) lock: RobustLock,
    /// Number of extents.
    pub(crate) count: AtomicU64,
    /// Offset at which the next new extent may begin.
    pub(crate) end: AtomicU64,
    /// Number of extents at which those of dead processes are looked for.
    pub(crate) reclaim_at: AtomicU64,
    /// Bytes of memory behind the free extents.
    pub(crate) spare: AtomicU64,
    /// About the largest of the recent messages, in bytes.
    pub(crate) largest: AtomicU64,
    /// 1 after a process died with a lock: extents may have leaked.
    pub(crate) needs_recovery: AtomicU64,
    /// The extent that was given back last and is in no list yet (its number plus 1). Giving one back takes no lock, so it never
    /// waits: the next lock holder puts it into its list.
    pub(crate) returned: AtomicU32,
    /// For each size the first free extent with memory behind it (its number plus 1).
    pub(crate) warm: [AtomicU32; SIZE_CLASSES],
    /// For each size the first free extent without memory.
    pub(crate) cold: [AtomicU32; SIZE_CLASSES],
}

/// One extent.
#[repr(C, align(32))]
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its offset, plus the number of its size class.
    pub(crate) offset_and_class: AtomicU64,
    /// Number of its bytes that have memory behind them.
    pub(crate) backed: AtomicU64,
    /// [`FREE`], [`QUEUED`], or the process that holds it.
    pub(crate) owner: AtomicU64,
    /// The next extent in the list of free ones (its number plus 1).
    pub(crate) next: AtomicU32,
}

/// Owner of an extent in a list of free ones.
pub(crate) const FREE: u64 = 0;
/// Owner of an extent that is part of a chain, or a message in it.
pub(crate) const QUEUED: u64 = 1 << 63;

/// Items of a joinable queue that were taken and not completed.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Outstanding {
    /// Changes whenever an item was completed; a joining sender sleeps on it.
    pub(crate) epoch: AtomicU32,
    /// Number of completed items, for the question whether to wake joining senders. A death may leave it too small; the sum over
    /// the holders is exact.
    pub(crate) completed: AtomicU64,
    /// Number of items that were lost with their holders.
    pub(crate) lost: AtomicU64,
    /// The last process that lost items.
    pub(crate) last_lost_by: AtomicU64,
    pub(crate) holders: [Holder; MAX_HOLDERS],
}

/// One process that holds items, or has held some: its counts go on when another process gets the slot.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Holder {
    pub(crate) process: AtomicU64,
    /// Number of items that were taken. Changed under the lock of the head.
    pub(crate) taken: AtomicU64,
    /// Number of those that were completed. Changed without a lock.
    pub(crate) completed: AtomicU64,
}

/// Bytes that get memory when a channel is made, apart from the first page of the table.
pub(crate) const BACKED_HEAD: u64 = (size_of::<Header>() as u64).next_multiple_of(PAGE);
pub(crate) const PAGE: u64 = 4096;
/// Number of entries in one page of the table.
pub(crate) const ENTRIES_PER_PAGE: u32 = PAGE as u32 / size_of::<Entry>() as u32;

const _: () = assert!(size_of::<Header>() as u64 <= TABLE, "the table does not begin inside the header");
const _: () = assert!(TABLE + MAX_EXTENTS as u64 * size_of::<Entry>() as u64 <= Arena::HEAD, "the table fits the head");
const _: () = assert!(size_of::<Entry>() == 32, "whole entries fill a page");
const _: () = assert!(offset_of!(End, lock) == 128, "what others look at is apart from the lock");
