//! The groups `channels-…`: streams of small and large messages, round trips, and ends that have nothing to do.
//!
//! Every message is checked. Processes are there and warm before the clock runs, and it stops when the other side has
//! answered with what it received.

use crate::group::{Failure, Figure, Group, System};
use crate::options::Options;
use crate::pool_block::MIB;
use crate::{
    channels_iceoryx2 as iceoryx2, channels_idle as idle, channels_ours as ours, channels_peers as peers, python,
    raw_channel as raw,
};

const LARGE: usize = 64 * MIB;

const SMALL_UNIT: &str = "million messages a second (higher is better)";
const LARGE_UNIT: &str = "GB/s (higher is better)";
const TRIP_UNIT: &str = "µs (lower is better)";

/// Small messages from one process to another.
pub const STREAM: Group = Group {
    name: "channels-stream",
    title: "messages of 16 bytes, one sender, one receiver",
    unit: SMALL_UNIT,
    systems: &[
        System { name: "procession queue", measure: ours::queue },
        System { name: "procession queue, many at once", measure: ours::queue_many },
        System { name: "procession one_way", measure: ours::one_way },
        System { name: "procession one_way, bytes", measure: ours::one_way_bytes },
        System { name: "raw shared ring, spinning", measure: |options| raw::stream(true, options) },
        System { name: "raw shared ring, not spinning", measure: |options| raw::stream(false, options) },
        System { name: "raw socketpair", measure: peers::socket_stream },
        System { name: "crossbeam-channel, in one process", measure: peers::crossbeam_stream },
        System { name: "ipc-channel", measure: peers::ipc_stream },
        System { name: "iceoryx2", measure: iceoryx2::stream },
        System { name: "CPython Queue", measure: |options| cpython("stream", "queue", 200_000, options) },
        System { name: "CPython Pipe", measure: |options| cpython("stream", "pipe", 200_000, options) },
    ],
};

/// Small messages from two processes to two others.
pub const PAIRS: Group = Group {
    name: "channels-pairs",
    title: "messages of 16 bytes, two senders, two receivers, one queue",
    unit: SMALL_UNIT,
    systems: &[
        System { name: "procession queue", measure: ours::pairs },
        System { name: "procession queue, many at once", measure: ours::pairs_many },
        System { name: "crossbeam-channel, in one process", measure: peers::crossbeam_pairs },
        System { name: "CPython Queue", measure: |options| cpython("pairs", "queue", 100_000, options) },
    ],
};

/// Messages that are large, and still fit a cache.
pub const MEBIBYTE: Group = Group {
    name: "channels-1mib",
    title: "messages of 1 MiB, one sender, one receiver",
    unit: LARGE_UNIT,
    systems: &large::<MIB>(),
};

/// Messages that fit no cache.
pub const LARGEST: Group = Group {
    name: "channels-64mib",
    title: "messages of 64 MiB, one sender, one receiver",
    unit: LARGE_UNIT,
    systems: &large::<LARGE>(),
};

const fn large<const SIZE: usize>() -> [System; 12] {
    [
        System { name: "procession one_way", measure: |options| ours::large(SIZE, options) },
        System { name: "procession one_way, read in place", measure: |options| ours::large_in_place(SIZE, options) },
        System { name: "procession queue, values of bytes", measure: |options| ours::large_queue(SIZE, options) },
        System { name: "procession queue, lists of points", measure: |options| ours::large_points(SIZE, options) },
        System { name: "raw shared slots", measure: |options| raw::large(SIZE, false, options) },
        System { name: "raw shared slots, read in place", measure: |options| raw::large(SIZE, true, options) },
        System { name: "raw socketpair", measure: |options| peers::socket_large(SIZE, options) },
        System { name: "ipc-channel, bytes", measure: |options| peers::ipc_large(SIZE, options) },
        System { name: "iceoryx2", measure: |options| iceoryx2::large(SIZE, false, options) },
        System { name: "iceoryx2, read in place", measure: |options| iceoryx2::large(SIZE, true, options) },
        System { name: "CPython Pipe, send_bytes", measure: |options| cpython_large::<SIZE>("pipe", options) },
        System { name: "CPython Queue", measure: |options| cpython_large::<SIZE>("queue", options) },
    ]
}

/// There and back, as fast as it goes.
pub const ROUND_TRIP: Group = Group {
    name: "channels-round-trip",
    title: "64 bytes there and back, both ends busy",
    unit: TRIP_UNIT,
    systems: &[
        System { name: "procession pipe, bytes", measure: ours::round_trip_bytes },
        System { name: "procession pipe", measure: ours::round_trip },
        System { name: "raw shared ring, spinning", measure: raw::round_trip },
        System { name: "raw socketpair", measure: peers::socket_round_trip },
        System { name: "crossbeam-channel, in one process", measure: peers::crossbeam_round_trip },
        System { name: "ipc-channel", measure: peers::ipc_round_trip },
        System { name: "CPython Pipe", measure: |options| cpython("round-trip", "pipe", 20_000, options) },
    ],
};

/// There and back, when the other side has gone to sleep before.
pub const WAKE: Group = Group {
    name: "channels-wake",
    title: "64 bytes there and back, after the receiver has gone to sleep",
    unit: TRIP_UNIT,
    systems: &[
        System { name: "procession pipe, bytes", measure: ours::wake },
        System { name: "raw socketpair", measure: peers::socket_wake },
        System { name: "ipc-channel", measure: peers::ipc_wake },
        System { name: "CPython Pipe", measure: |options| cpython("wake", "pipe", 500, options) },
    ],
};

/// Nothing at all.
pub const IDLE: Group = Group {
    name: "channels-idle",
    title: "a process that waits for a message for a second",
    unit: "µs of processor time (lower is better)",
    systems: &[
        System { name: "procession queue", measure: |_| idle::queue() },
        System { name: "procession pipe", measure: |_| idle::pipe() },
        System { name: "raw socketpair", measure: |_| idle::socket() },
        System { name: "CPython Queue", measure: |options| cpython("idle", "queue", 1, options) },
    ],
};

fn cpython(what: &str, kind: &str, count: usize, options: Options) -> Result<Figure, Failure> {
    python::run("channels.py", &[what, kind, &options.part(count).to_string()])
}

fn cpython_large<const SIZE: usize>(kind: &str, options: Options) -> Result<Figure, Failure> {
    let (what, count) = if SIZE == LARGE { ("64mib", 10) } else { ("1mib", 300) };
    cpython(what, kind, count, options)
}
