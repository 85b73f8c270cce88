//! The numbers by which the manager was tuned. Where a measurement decided, it was the `manager` groups of the bench on two cores.

use std::time::Duration;

// Clients: sending and waiting.

/// How long one attempt to send waits for room. Larger: other threads of the process wait longer for their turn to send; smaller:
/// more wake-ups while the manager is busy.
pub(crate) const SEND_SLICE: Duration = Duration::from_millis(5);

/// How long a thread with a deadline sleeps when another thread is sending. Larger: its call starts later; smaller: more wake-ups.
pub(crate) const SEND_RETRY_INTERVAL: Duration = Duration::from_micros(100);

/// The number of frames to a remote manager between two looks for replies that no thread may be waiting for. Larger: the manager's
/// unsent replies grow; smaller: one more system call each time.
pub(crate) const FRAMES_PER_DRAIN: u64 = 32;

/// The number of replies that are taken from shared memory at once. Larger: more memory is touched between two looks at the callers;
/// smaller: more locking of the pipe when many calls are in flight.
pub(crate) const REPLY_BATCH: usize = 256;

/// The number of claims that a client can have in flight. Larger: 8 bytes of shared memory each; smaller: more limited calls fall
/// back to asking the manager.
pub(crate) const CLAIM_SLOTS: u16 = 512;

// Clients: giving up.

/// How long a call that only tries waits for a manager that has not seen it, or has no processor. Larger: a frozen machine is noticed
/// later; smaller: tries fail under load.
pub(crate) const TRY_TIMEOUT: Duration = Duration::from_secs(1);

/// How long beyond its deadline a call waits that runs already, or that the manager has not seen. Both take microseconds. Larger:
/// deadlines are kept less well; smaller: more calls end with an unknown outcome.
pub(crate) const RUNNING_CALL_TIMEOUT: Duration = Duration::from_millis(100);

/// How long a remote manager has to say whether a call was cancelled: a round trip over a network. Larger and smaller: as above.
pub(crate) const REMOTE_CANCEL_TIMEOUT: Duration = Duration::from_secs(1);

/// The interval at which a call whose deadline has passed looks how far it is. Larger: a stopped manager is noticed later; smaller:
/// more reads of `/proc`.
pub(crate) const STAGE_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How long the owner waits for the manager to end by itself before it is killed. It takes milliseconds. Larger: `shutdown` of a
/// manager that cannot end lasts longer; smaller: values are not dropped under load.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

// Spinning, of the leader in the server and of the reader in a client of a remote manager.

/// How long a thread stays awake after something has arrived. Being woken costs about as long. Larger: more processor time is lost
/// when nothing comes; smaller: more round trips pay for a wake-up.
pub(crate) const SPIN_TIME: Duration = Duration::from_micros(50);

/// The number of waits in vain after which spinning becomes rare. Larger: idle connections cost more; smaller: one slow call makes
/// the next fast ones slow.
pub(crate) const SPIN_MAX_MISSES: u32 = 4;

/// The number of waits after which it spins all the same, to notice that the traffic has changed. Larger: that is noticed later; smaller: idle connections cost more.
pub(crate) const SPIN_RETRY_EVERY: u32 = 128;

/// When the spinning leader yields its core once: the client that it waits for may have been woken there. Larger: that client starts
/// later; smaller: one more system call in a fast round trip.
pub(crate) const YIELD_AFTER: Duration = Duration::from_micros(5);

/// The number of processor pauses between two looks into shared memory. Larger: a call is seen later; smaller: the cache lines of the
/// clients are taken away from them more often.
pub(crate) const PAUSES_PER_LOOK: u32 = 8;

// The server.

/// How long the leader may run one call before the follower takes over. Larger: other clients wait longer behind a slow call;
/// smaller: more hand-overs, and more wake-ups of the follower.
pub(crate) const LEADER_MAX_BUSY: Duration = Duration::from_millis(1);

/// The number of looks that found no new call after which the follower sleeps until it is woken. Larger: more wake-ups of an idle
/// manager; smaller: more calls pay for waking the follower.
pub(crate) const FOLLOWER_IDLE_LOOKS: u32 = 16;

/// The number of messages that are handled for one client before the next has its turn. Larger: others wait longer; smaller: more
/// walking through the queue of clients.
pub(crate) const MESSAGES_PER_TURN: usize = 64;

/// Every how many turns the leader looks at all clients, even if there is enough to do. Larger: new clients wait longer behind busy
/// ones; smaller: more system calls.
pub(crate) const EPOLL_EVERY_TURNS: u32 = 64;

/// Every how many turns a leader without a follower tries again to start one, after a limit on threads. Larger: a long call holds up the
/// others for longer once the limit is gone; smaller: more attempts in vain.
pub(crate) const SPAWN_EVERY_TURNS: u32 = 16;

/// The number of calls that are taken from a client's shared memory at once. Larger: more of them are lost time if the client dies;
/// smaller: more locking of the pipe.
pub(crate) const CALL_BATCH: usize = 64;

/// The bytes of unsent replies at which a local client is not read from until it takes some. Larger: memory; smaller: clients that
/// post many calls wait earlier.
pub(crate) const MAX_UNSENT_LOCAL_BYTES: usize = 16 << 20;

/// The bytes of unsent replies at which a remote client is given up. Larger: memory; smaller: a slow network loses its connection.
#[cfg(feature = "remote")]
pub(crate) const MAX_UNSENT_REMOTE_BYTES: usize = 64 << 20;

/// The shortest time between two looks at a client that was stopped in the middle of a send. No event shows that it
/// goes on, and each look may take milliseconds. Larger: such a client is served later; smaller: others are served later.
pub(crate) const MIN_STALLED_POLL: Duration = Duration::from_millis(1);
/// The longest such time. Larger: as above; smaller: many stalled clients take the time of the others.
pub(crate) const MAX_STALLED_POLL: Duration = Duration::from_millis(200);

/// How long the thread that accepts remote clients rests after an error, such as too many open files. Larger: clients wait longer to be let in; smaller: more attempts in vain.
#[cfg(feature = "remote")]
pub(crate) const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(10);

// Frames over sockets.

/// The largest frame in bytes. Larger: a peer can make this process allocate more; smaller: such values cannot travel.
pub(crate) const MAX_FRAME_BYTES: usize = 256 << 20;

/// The smallest number of bytes that are read at once. Larger: memory for each connection; smaller: more system calls
/// for large frames.
pub(crate) const MIN_READ_BYTES: usize = 8 << 10;
/// The largest number. Larger: a connection keeps more memory; smaller: more system calls for large frames.
pub(crate) const MAX_READ_BYTES: usize = 1 << 20;

// Objects.

/// The number of slots below which gaps in an ordered map are not closed. Larger: memory of small maps; smaller: more moving.
pub(crate) const MIN_SLOTS_TO_COMPACT: usize = 32;

/// The number of tasks that `imap` of a managed pool keeps in flight for each worker. Larger: more of the input is read ahead;
/// smaller: workers wait for their next task.
#[cfg(feature = "pool")]
pub(crate) const IMAP_PREFETCH_PER_WORKER: usize = 16;

/// How long one call of `join` holds a managed pool. Larger: `terminate` of another client waits longer; smaller: more round trips.
#[cfg(feature = "pool")]
pub(crate) const JOIN_SLICE: Duration = Duration::from_millis(50);

// The shape of a type, which is traced when a registry is filled.

/// The depth below which options are `None`, lists are empty, and enums are a variant that has come to an end before. Larger: longer
/// traces of recursive types; smaller: types that differ further down look equal.
#[cfg(feature = "remote")]
pub(crate) const MAX_FULL_DEPTH: usize = 8;
/// The depth at which a trace ends. Larger: more stack; smaller: as above.
#[cfg(feature = "remote")]
pub(crate) const MAX_DEPTH: usize = 64;
/// The number of notes that are taken of one type. Larger: slower registries; smaller: as above.
#[cfg(feature = "remote")]
pub(crate) const MAX_NOTES: usize = 20_000;
/// The number of times that one type is traced, once for each combination of variants. Larger and smaller: as above.
#[cfg(feature = "remote")]
pub(crate) const MAX_ROUNDS: usize = 64;
