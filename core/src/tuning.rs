//! The numbers that were chosen, each with its unit and what moves when it moves.

use std::time::Duration;

/// Size in bytes above which a message travels in a memory file and not through the socket.
///
/// A larger value lets a sender wait for its reader, because it must fit into a socket. A smaller one makes a file for more messages.
///
/// ```
/// use procession_core::{Link, SPILL, codec};
///
/// let (mut here, mut there) = Link::pair()?;
/// let large = codec::encode(&vec![1_u8; 100 * SPILL])?;
/// here.send(large)?; // more than a socket holds, and none of it has been read
/// assert!(there.recv(None)?.expect("a message").bytes().len() > 100 * SPILL);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const SPILL: usize = 64 * 1024;

/// Levels of values inside one another.
///
/// A hostile message could otherwise nest a recursive type so deep that reading it overflows the stack. A larger value needs larger
/// stacks than the 2 MiB of a thread, a smaller one refuses more of what users send.
pub(crate) const MAX_DEPTH: u32 = 512;

/// First allocation of an encoder, in bytes.
///
/// Most messages are small, and growing from nothing takes several steps. A larger value wastes memory, a smaller one allocates twice.
pub(crate) const FIRST_ALLOCATION: usize = 64;

/// Size in bytes from which blocks of bytes and texts are written to their place at once, and not by way of a buffer.
///
/// A smaller value interrupts the buffer more often, which costs more than the copy that it saves. A larger one copies more.
pub(crate) const SPILLED_BLOCK: usize = 64 << 10;

/// Number of values without bytes that one message may bring, all its sequences together: no length of a message bounds them.
///
/// A processor counts so far in half a second. A larger value lets a hostile message cost more, a smaller one refuses honest ones.
pub(crate) const MAX_EMPTY: usize = 1 << 28;

/// Memory in bytes that such values may take up together, if they take up memory.
///
/// A larger value lets a hostile message allocate more, a smaller one refuses honest ones.
pub(crate) const MAX_EMPTY_BYTES: usize = 1 << 24;

/// Time that a sender waits until others have received some of the descriptors that are on their way, which no event announces.
///
/// A larger value sends later, a smaller one looks more often.
pub(crate) const DESCRIPTOR_RETRY: Duration = Duration::from_millis(1);

/// Time that a process that has ended may be on its way out before its status is there.
///
/// A larger value delays the answer where the kernel never has the status. A smaller one misses it on a busy machine.
pub(crate) const STATUS_TIMEOUT: Duration = Duration::from_millis(20);

/// Time that a killed child without a descriptor has to end before it is left behind.
///
/// It takes microseconds, but a child that hangs in the kernel may take for ever. A larger value holds up the caller, a smaller one leaves
/// zombies behind under load.
pub(crate) const KILLED_EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Time between two looks at such a child, whose end no event announces.
///
/// A larger value returns later, a smaller one looks more often.
pub(crate) const KILLED_EXIT_RETRY: Duration = Duration::from_millis(1);

/// Time that a caller stays awake for an event that is likely to happen at once.
///
/// Being woken costs up to 50 µs on a virtual machine, and a process of little work takes three times as long. A larger value takes more of
/// the processor, a smaller one sleeps through more starts.
pub(crate) const POLL_SPIN: Duration = Duration::from_micros(150);

/// Size in bytes of the smallest piece of a buffer pool.
///
/// A larger value wastes memory for short buffers, a smaller one makes more pieces to search. Shorter values travel in rings.
pub(crate) const MIN_PIECE_BYTES: u64 = 64 << 10;

/// Memory in bytes that a buffer pool keeps while it is idle; longer buffers go back to the system at once.
///
/// A larger value keeps more memory, a smaller one touches fresh pages for more of the large values.
pub(crate) const MAX_IDLE_BYTES: u64 = 8 << 20;

/// Length in bytes of the longest message on a sealed link.
///
/// Its reader takes memory as the bytes arrive. A larger value lets a faulty peer take more, a smaller one refuses honest messages.
#[cfg(feature = "sealed")]
pub(crate) const MAX_SEALED_MESSAGE: usize = 1 << 30;

/// Number of records after which each direction of a sealed link gets a new key.
///
/// One key of AES-GCM should encrypt less than some 2^39 bytes; a record has up to 2^16. A larger value comes nearer to that, a smaller one
/// spends 0.3 µs more often.
#[cfg(feature = "sealed")]
pub(crate) const REKEY_RECORDS: u64 = 1 << 20;

/// Number of records that are sealed before they are written together.
///
/// A larger value leaves the processor's caches, a smaller one makes more system calls: a message of 64 KiB is a little longer than a record.
/// Measured with `cargo xtask bench sealed`.
#[cfg(feature = "sealed")]
pub(crate) const RECORDS_PER_WRITE: usize = 2;

/// Memory in bytes that a sealed link keeps for messages to be sent while there are none.
///
/// A larger value keeps more memory for each host, a smaller one allocates anew for large messages.
#[cfg(feature = "sealed")]
pub(crate) const MAX_KEPT_CAPACITY: usize = 1 << 20;

/// Number of bytes of an executable that are read and hashed at a time.
///
/// A larger value leaves the processor's caches, a smaller one makes more system calls.
#[cfg(feature = "sealed")]
pub(crate) const HASH_BUFFER_BYTES: usize = 64 << 10;
