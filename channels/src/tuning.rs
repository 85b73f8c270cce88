//! The numbers that were chosen by measuring. Each says its unit, what another value does, and which row of the bench shows it.

use std::time::Duration;

/// Longest time that a waiting call spins. A wake-up costs 20 to 50 µs (`channels-wake`): a larger value burns processor time for
/// nothing, a smaller one sleeps where the item is about to come (`channels-round-trip`).
pub(crate) const SPIN_TIMEOUT: Duration = Duration::from_micros(50);

/// Time after which a spinning call yields its core once. A smaller value costs a system call in short waits; a larger one starves a
/// peer that was woken on the same core (`channels-wake`).
pub(crate) const YIELD_AFTER: Duration = Duration::from_micros(5);

/// Spins without success, after which most waits sleep at once. A larger value burns processor time in idle channels
/// (`channels-idle`); a smaller one gives spinning up after one slow peer.
pub(crate) const MAX_MISSES: u32 = 4;

/// After [`MAX_MISSES`], one wait in this many still spins. A larger value notices later that
/// spinning pays again; a smaller one burns processor time in slow channels.
pub(crate) const WAITS_PER_SPIN: u32 = 16;

/// Most pauses of the processor before the first look, about 1 µs. A larger value lets the peer fill the cache line undisturbed but
/// delays single items; a smaller one takes the line away from it (`channels-stream`).
pub(crate) const MAX_PAUSES: u32 = 64;

/// Waits without pauses, after which pauses are tried once. A larger value finds a steady stream later; a smaller one tries more often where
/// pauses do not pay (`channels-stream`).
pub(crate) const WAITS_PER_TRIAL: u32 = 64;

/// Looks between two readings of the clock, which costs about 25 ns. A larger value overshoots [`SPIN_TIMEOUT`]; a smaller one looks less
/// often at the channel.
pub(crate) const LOOKS_PER_CLOCK_READ: u32 = 16;

/// Looks before all else: a busy peer answers within 1 µs. A larger value yields later to a peer on the same core; a smaller one
/// reads the clock while the answer arrives (`channels-round-trip`).
pub(crate) const EAGER_LOOKS: u32 = 64;

/// First sleep of a sender that waits for space, which may be there although it is too little for a wake-up. A smaller value wakes idle
/// senders more often (`channels-idle`); a larger one delays them after a receiver was killed before its wake-up.
pub(crate) const FIRST_SLEEP: Duration = Duration::from_millis(50);

/// Longest sleep of a sender that waits for space; sleeps double up to it. A larger value delays it after a receiver was killed before its
/// wake-up; a smaller one costs processor time (`channels-idle`).
pub(crate) const LONGEST_SLEEP: Duration = Duration::from_millis(3200);

/// How long a call without waiting tries to take a lock. A running holder is done within microseconds, or within a few milliseconds where
/// others run on its core. A larger value holds `try_` calls up behind a stopped process; a smaller one reports full or empty falsely.
pub(crate) const TRY_LOCK_TIMEOUT: Duration = Duration::from_millis(3);

/// Interval at which [`wait`](crate::wait) looks again at a channel that it could not arm, because a process was stopped inside it.
/// A smaller value costs processor time meanwhile; a larger one delays the answer.
pub(crate) const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// Interval at which waiting tasks look again for space. A smaller value costs processor time; a larger one delays a sender where a
/// receiver was killed before its wake-up.
#[cfg(feature = "tokio")]
pub(crate) const TASK_WAKE_INTERVAL: Duration = Duration::from_millis(400);

/// Messages without a sign of life of the receivers, after which the kernel is asked whether any is left. The question costs 0.5 µs: a
/// smaller value slows senders (`channels-stream`); a larger one fills more memory for receivers that are dead.
pub(crate) const SENDS_PER_LIVENESS_CHECK: u64 = 32;

/// Bytes of a message that count as one more message for [`SENDS_PER_LIVENESS_CHECK`]. A larger value fills more
/// memory for receivers that are dead; a smaller one asks the kernel more often (`channels-1mib`).
pub(crate) const BYTES_PER_COUNTED_SEND: usize = 64 << 10;

/// Values that [`send_many`](crate::Sender::send_many) encodes before it adds them together. A larger value needs more memory and makes
/// receivers wait for the first; a smaller one takes the lock more often (`channels-stream`, many at once).
pub(crate) const VALUES_PER_BATCH: usize = 128;

/// Bytes of a message that still lies in a block. Larger messages have an extent of their own. A larger value wastes the ends of blocks;
/// a smaller one allocates for messages that are cheap to copy.
pub(crate) const MAX_INLINE_BYTES: usize = 16 << 10;

/// Bytes of a small block and of a large one. Two or three small ones stay in the cache, larger values leave it (`channels-stream`); smaller
/// values allocate more often in deep queues.
pub(crate) const BLOCK_BYTES: [u64; 2] = [64 << 10, 1 << 20];

/// Number of extents from which on new blocks are large. A smaller value leaves the cache earlier; a larger one allocates more often.
pub(crate) const LARGE_BLOCKS_FROM: u32 = 64;

/// Bytes that a pipe queues before a sender waits. A larger value leaves the cache of the processor (`channels-stream`, one_way); a
/// smaller one makes sender and receiver wait for each other.
pub(crate) const PIPE_CAPACITY_BYTES: u64 = 256 << 10;

/// Fewest bytes of free memory that are kept. A larger value keeps more in idle channels; a smaller one gives blocks back that are needed
/// again at once, and a fresh page costs seven times as much as a warm one.
pub(crate) const MIN_SPARE_BYTES: u64 = 1 << 20;

/// Messages up to this size count as moderate: memory for four is kept rather than for three. A larger value keeps more memory in idle
/// channels; with a smaller one, messages touch fresh pages after each pause (`channels-1mib`).
pub(crate) const MODERATE_MESSAGE_BYTES: u64 = 4 << 20;

/// Bytes that are reserved behind a large block of a value for the few numbers that usually follow. A larger
/// value takes memory for nothing; a smaller one moves the message (`channels-64mib`).
pub(crate) const BYTES_AFTER_BLOCK: u64 = 4096;

/// Largest buffer that a thread keeps for the bytes of small messages. A larger value keeps more memory per thread; with a
/// smaller one, threads with larger values allocate for each.
pub(crate) const MAX_KEPT_BUFFER_BYTES: usize = 1 << 20;

#[cfg(feature = "net")]
pub(crate) use net::*;

#[cfg(feature = "net")]
mod net {
    use std::time::Duration;

    /// How long connecting may take unless another time was set. A larger value notices a dead address
    /// later; a smaller one gives up busy listeners.
    pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

    /// How long a handshake may take unless another time was set. A larger value lets strangers hold descriptors for longer; a smaller one
    /// refuses slow peers.
    pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

    /// Handshakes that may be under way at once unless another number was set. A larger value lets strangers hold more
    /// descriptors; a smaller one drops honest peers during a flood.
    pub(crate) const MAX_PENDING_HANDSHAKES: usize = 128;

    /// Connections that are accepted before the handshakes under way get a turn. A larger value lets a flood of strangers
    /// delay them; a smaller one costs more system calls.
    pub(crate) const ACCEPTS_PER_TURN: usize = 16;

    /// Refused connections that a listener remembers. A larger value lets strangers fill more memory; a smaller one forgets sooner.
    pub(crate) const MAX_REFUSALS: usize = 64;

    /// How long the machine of a peer may be silent unless another time was set. A larger value notices a lost machine later; a smaller
    /// one gives up peers behind slow networks.
    pub(crate) const PEER_TIMEOUT: Duration = Duration::from_secs(60);

    /// Longest message that is received, in bytes, unless another maximum was set. A larger value lets a peer take more
    /// memory; a smaller one refuses honest messages.
    pub(crate) const MAX_MESSAGE_BYTES: usize = 256 << 20;

    /// Bytes by which the memory for an arriving message grows at least. A larger value takes memory for bytes that may not
    /// come; a smaller one copies more often.
    pub(crate) const MIN_GROWTH_BYTES: usize = 64 << 10;

    /// How long a listener waits for others that replace a dead socket in the same folder. A larger value lets a process that holds the lock
    /// for ever delay listening; with a smaller one, two listeners may replace the same socket.
    pub(crate) const FOLDER_LOCK_TIMEOUT: Duration = Duration::from_secs(1);

    /// Shortest pause between two retransmissions that can be set for one socket. A bound of the kernel (`tcp_rto_max_ms`): it refuses a
    /// smaller value; a larger one leaves the older limit to more sockets.
    pub(crate) const MIN_RETRANSMISSION_PAUSE: Duration = Duration::from_secs(1);

    /// Longest pause between two retransmissions that can be set for one socket. A bound of the kernel: it refuses a larger value; a smaller
    /// one gives up peers too early.
    pub(crate) const MAX_RETRANSMISSION_PAUSE: Duration = Duration::from_secs(120);
}
