//! Constants that trade time against memory, processor time or latency.
//!
//! Each one states its unit, what a larger and a smaller value does, and where it was measured. "Bench" is `cargo xtask bench
//! pool` on virtual machines with two cores; the effects are in the section "Measured, and decided" of `ARCHITECTURE.md`. A guard
//! is not measured: it bounds what otherwise has no bound.

use std::time::Duration;

// How callers, the pool's own thread and workers wait.

/// Time that a caller polls the rings without news before it sleeps. Larger: fewer wake-ups, and more processor time taken from
/// workers. Smaller: `apply` pays two context switches more often. Bench group `pool-apply`.
pub(crate) const CALLER_SPIN: Duration = Duration::from_micros(40);
/// Average task duration up to which a caller polls the rings at all. Larger: callers take processor time from long tasks.
/// Smaller: medium tasks pay for wake-ups. Bench groups `pool-apply` and `pool-heavy`.
pub(crate) const SHORT_TASK: Duration = Duration::from_micros(50);
/// Average task duration up to which a future polls for its result before it registers a waker. Larger: the executor's thread is
/// held for longer. Smaller: a wake-up costs more than the task. Bench group `pool-async`.
pub(crate) const INSTANT_TASK: Duration = Duration::from_micros(5);
/// Time that a future polls where tasks are instant. Larger: blocks the executor for longer. Smaller: misses the result.
/// Bench group `pool-async`.
pub(crate) const FUTURE_SPIN: Duration = Duration::from_micros(10);
/// Time between two polls of the kernel by a caller that polls the rings. Larger: deaths are noticed later. Smaller: more system
/// calls. Bench group `pool-apply`.
pub(crate) const KERNEL_POLL_INTERVAL: Duration = Duration::from_micros(200);
/// Number of polls of the rings between two reads of the clock, with a `sched_yield` behind them. Larger: yields too seldom where
/// processes outnumber cores. Smaller: 0.3 µs for a yield more often. Bench group `pool-apply`.
pub(crate) const POLLS_PER_YIELD: u32 = 16;
/// Time between two looks of the pool's own thread while callers drive the dispatch. Larger: the results of a caller that stopped
/// driving are late. Smaller: more system calls while nothing needs them. Bench group `pool-chunked`.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(1);
/// Difference between two deadlines below which the pool's own thread is not woken. Larger: timeouts are late. Smaller: wake-ups
/// for nothing. Bench group `pool-chunked`.
pub(crate) const ALARM_SLACK: Duration = Duration::from_micros(100);
/// Time that an idle worker polls its ring before it sleeps. Larger: idle workers take processor time. Smaller: each of several
/// short jobs pays a wake-up of 25 to 50 µs. Bench group `pool-apply`.
pub(crate) const WORKER_SPIN: Duration = Duration::from_micros(50);
/// Number of polls of a worker's ring between two reads of the clock, with a `sched_yield` behind them. Larger: yields too
/// seldom where processes outnumber cores. Smaller: yields more often. More than [`POLLS_PER_YIELD`], because a worker polls
/// one ring only. Bench group `pool-apply`.
pub(crate) const WORKER_POLLS_PER_YIELD: u32 = 32;
/// Time that a callback thread and the stderr thread stay without work. Larger: idle threads. Smaller: a thread is spawned for
/// each of several callbacks. Bench group `pool-async`.
pub(crate) const THREAD_IDLE_TIMEOUT: Duration = Duration::from_millis(200);

// When a worker rings the doorbell of a pool that sleeps.

/// Time between two notifications by a worker that has more short tasks to run. Larger: the pool refills too late and the worker
/// idles. Smaller: 115 µs of the pool's processor time for each notification. Bench group `pool-heavy`.
pub(crate) const NOTIFY_INTERVAL: Duration = Duration::from_micros(200);
/// The longest time for which a worker that has more to run holds a notification back. The pool looks by itself after this
/// time. Larger: a result behind a long task is late. Smaller: long tasks lose processor time to wake-ups. Bench group
/// `pool-heavy`.
pub(crate) const MAX_NOTIFY_DELAY: Duration = Duration::from_millis(2);
/// Task duration from which on [`MAX_NOTIFY_DELAY`] is the interval. Larger: more wake-ups. Smaller: the worker may run dry
/// before the pool is notified. Bench group `pool-heavy`.
pub(crate) const LONG_TASK: Duration = Duration::from_micros(100);
/// Work that a worker has left when it notifies a pool whose caller waits for all results. Larger: more wake-ups. Smaller: the
/// worker runs dry before it is sent more. Bench group `pool-heavy`.
pub(crate) const LAZY_REFILL_TIME: Duration = Duration::from_millis(4);
/// Longest time between two notifications of such a pool. Larger: a wrong estimate of durations is noticed later. Smaller:
/// more wake-ups. Bench group `pool-heavy`.
pub(crate) const LAZY_NOTIFY_INTERVAL: Duration = Duration::from_millis(20);

// How a worker measures its tasks.

/// Time below which tasks are timed together. Larger: a coarser estimate. Smaller: reading the clock weighs more. Bench
/// group `pool-chunked`.
pub(crate) const MIN_TIMED: Duration = Duration::from_micros(2);
/// Number of tasks that are timed together, at most. Larger: a long task behind short ones is measured late. Smaller: more
/// reads of the clock. Bench group `pool-chunked`.
pub(crate) const MAX_TIMED_TASKS: u64 = 64;
/// Number of tasks after which a worker reports durations. Larger: the pool learns later. Smaller: 9 bytes of the ring more
/// often. Bench group `pool-chunked`.
pub(crate) const MAX_UNREPORTED_TASKS: u64 = 1024;
/// Run time after which a worker reports durations. Larger: the pool learns later. Smaller: 9 bytes of the ring more often.
/// Bench group `pool-chunked`.
pub(crate) const MAX_UNREPORTED_TIME: Duration = Duration::from_micros(200);

// Memory between a pool and a worker.

/// Bytes of each ring. Larger: memory for each worker. Smaller: writers wait for space. Bench group `pool-chunked`.
pub(crate) const RING_CAPACITY: usize = 256 << 10;
/// Bytes of an encoded value from which on it travels in shared buffers beside the ring. Larger: values are copied in pieces
/// through the ring. Smaller: page faults for values that fit. Bench group `pool-large`.
pub(crate) const BUFFER_THRESHOLD: usize = 64 << 10;
/// Capacity in bytes of a worker's result buffer that is kept. Larger: idle memory. Smaller: large results fault in their pages
/// each time. Bench group `pool-large`.
pub(crate) const MAX_KEPT_SCRATCH: usize = 8 << 20;
/// Time that a worker sleeps before it trims its result buffers. Larger: idle memory. Smaller: page faults after short pauses.
/// Bench group `pool-idle`.
pub(crate) const TRIM_AFTER: Duration = Duration::from_secs(1);
/// Bytes already consumed at the front of a worker's task queue that are removed at once. Larger: memory. Smaller: more copying.
/// Bench group `pool-chunked`.
pub(crate) const COMPACT_THRESHOLD: usize = 1 << 20;
/// Number of unregistered functions that a worker remembers: tasks of ended jobs may still be on their way. A guard: larger costs
/// memory; smaller lets a late task wait for a function that never comes.
pub(crate) const MAX_UNREGISTERED: usize = 256;
/// Bytes that a descriptor counts as, because descriptors are scarcer than memory. Larger: fewer in flight. Smaller: the limit of
/// open files is reached. A guard.
pub(crate) const DESCRIPTOR_WEIGHT: usize = 1 << 20;

// The link between a pool and the agent of a host.

/// Bytes of streams in one frame, at most. Larger: a message waits longer behind large values. Smaller: more system calls.
/// Chosen: 256 KiB are 2 ms on a link of 1 Gbit/s.
pub(crate) const MAX_FRAME_BYTES: usize = 256 << 10;
/// Bytes of one stream in a frame, before it is the turn of the next stream. Larger: other workers wait longer. Smaller: more
/// messages in a frame. Chosen.
pub(crate) const MAX_PIECE_BYTES: usize = 64 << 10;
/// Bytes of results that wait in an agent from which on it reads no more from its workers. Larger: memory. Smaller: the link runs dry.
/// Chosen: several frames.
pub(crate) const MAX_QUEUED_RESULT_BYTES: usize = 2 << 20;
/// Bytes of workers' standard error that wait in an agent, at most; what comes then is dropped. Larger: memory. Smaller: more is lost
/// where a link is slow. A guard.
pub(crate) const MAX_QUEUED_STDERR_BYTES: usize = 256 << 10;
/// Frames that are read from one link in a row. Larger: other links wait. Smaller: the pool's lock more often. A guard.
pub(crate) const MAX_FRAMES_PER_READ: usize = 16;
/// Time that an agent polls its link and rings after news of short tasks. Larger: it takes processor time from its workers. Smaller:
/// two wake-ups more for each of several short tasks. Measured as `CALLER_SPIN`.
pub(crate) const AGENT_SPIN: Duration = Duration::from_micros(50);
/// Time between two looks of an agent at what its busy workers have started. Larger: timeouts and the takeover of tasks are late.
/// Smaller: wake-ups while long tasks run. Chosen.
pub(crate) const STARTED_REPORT_INTERVAL: Duration = Duration::from_millis(5);
/// Time between two probes of the round trip, with which workers' memory is reported. Larger: memory limits are
/// noticed later. Smaller: more messages. Chosen.
pub(crate) const BEAT_INTERVAL: Duration = Duration::from_secs(1);
/// Probes of the round trip that follow each other at once. Larger: more messages. Smaller: a single slow one counts. Chosen.
pub(crate) const FIRST_PROBES: u32 = 4;
/// Launches of agents at the same time, at most. Larger: more threads, and servers that refuse them. Smaller: many hosts start
/// later. `sshd` drops some beyond 10 and all beyond 100 that have not logged in.
pub(crate) const MAX_LAUNCHES: usize = 32;
/// Launches that each host of a new pool gets before building the pool is an error. Larger: a wrong name is reported later. Smaller: a server
/// that refuses one connection at random breaks the pool. Chosen.
pub(crate) const FIRST_LAUNCH_ATTEMPTS: u32 = 2;
/// Time before the second launch for a host in a row that has failed; it doubles with each one more. Larger: a slow recovery. Smaller:
/// more launches for nothing. Chosen.
pub(crate) const FIRST_RELAUNCH_DELAY: Duration = Duration::from_millis(250);
/// The longest such time. Larger: a host that returns is used later. Smaller: more launches for nothing. Chosen.
pub(crate) const MAX_RELAUNCH_DELAY: Duration = Duration::from_secs(30);

// How far the caller's input is read ahead.

/// Chunks for each worker: one that runs, one that follows, and one for the fastest. Larger: more memory. Smaller: workers wait
/// for the caller. Bench group `pool-chunked`.
pub(crate) const CHUNKS_PER_WORKER: usize = 3;
/// Tasks in flight, at most. Larger: memory where tasks are tiny. Smaller: tiny tasks starve. Bench group `pool-flat`.
pub(crate) const MAX_TASKS_IN_FLIGHT: usize = 1 << 16;
/// Bytes in flight for all workers, beyond one task each. Larger: memory. Smaller: large values do not overlap. Bench group
/// `pool-large`; the documentation of `imap` names it.
pub(crate) const MAX_BYTES_IN_FLIGHT: usize = 64 << 20;
/// Bytes in flight for each worker. Larger: values leave the processor's caches before they are read, 6 instead of 9 GB/s.
/// Smaller: workers wait. Bench group `pool-large`.
pub(crate) const WARM_BYTES_PER_WORKER: usize = 4 << 20;
/// Tasks in flight for each worker even where they weigh more than that. Larger: memory. Smaller: a worker waits between two
/// heavy tasks. Bench group `pool-large`.
pub(crate) const MIN_TASKS_PER_WORKER: usize = 2;
/// Tasks that are submitted together, at most. Larger: workers get them later. Smaller: the pool's lock more often. Bench
/// group `pool-chunked`.
pub(crate) const MAX_BATCH_TASKS: usize = 2048;
/// Tasks in the first batch of a job. Larger: workers start later. Smaller: the pool's lock more often. Bench group
/// `pool-flat`.
pub(crate) const FIRST_BATCH_TASKS: usize = 64;
/// Bytes of arguments that are submitted together, at most. Larger: workers get them later. Smaller: the pool's lock more
/// often. Bench group `pool-large`.
pub(crate) const MAX_BATCH_BYTES: usize = 1 << 20;
/// Time spent reading the input after which a batch is submitted. Larger: workers get it later. Smaller: the pool's lock
/// more often. Bench group `pool-chunked`.
pub(crate) const MAX_BATCH_TIME: Duration = Duration::from_micros(200);
/// Bytes of an argument after which the window is checked at once. Larger: the window is overshot. Smaller: a check for each
/// argument. Bench group `pool-large`.
pub(crate) const HEAVY_ARGUMENT_BYTES: usize = 4 << 10;
/// Results that are given out between two checks whether to read on. Larger: the window empties further. Smaller: a check
/// more often. Bench group `pool-chunked`.
pub(crate) const MAX_RESULTS_PER_REFILL_CHECK: u64 = 64;
/// Initial credit in tasks where the function's duration is known from earlier jobs. Larger: unread results pile up. Smaller: the
/// window grows from nothing again. Bench group `pool-flat`.
pub(crate) const KNOWN_FUNCTION_CREDIT: u64 = 1024;
/// Results that space is reserved for before they come. A guard against inputs that claim to be huge. Larger: such an input
/// costs more memory. Smaller: large results are moved as they grow.
pub(crate) const MAX_RESERVED_RESULTS: usize = 1 << 20;
/// Results of one batch that space is reserved for: a worker claims their number. Larger: a defect costs more memory.
/// Smaller: large results are moved as they grow. A guard.
pub(crate) const MAX_RESERVED_BATCH: usize = 1 << 16;
/// Bytes of arguments that space is reserved for, from the size of the batch before. Larger: idle memory behind one large
/// batch. Smaller: batches are moved as they grow. A guard.
pub(crate) const MAX_RESERVED_BYTES: usize = 4 << 20;

// What counts as an input that may block.

/// Time that an item takes from which on the input is slow. Larger: results wait behind it. Smaller: a busy machine looks slow.
/// Chosen; tests `lazy`.
pub(crate) const SLOW_ITEM: Duration = Duration::from_millis(1);
/// Time that an item takes up to which the input is quick. Larger: blocking inputs are trusted sooner. Smaller: quick ones
/// later. Chosen; tests `lazy`.
pub(crate) const QUICK_ITEM: Duration = Duration::from_micros(10);
/// Quick items in a row after which a new input is trusted. Larger: one item at a time for longer. Smaller: a burst passes
/// for a quick input. Chosen; tests `lazy`.
pub(crate) const MIN_QUICK_ITEMS: u32 = 8;
/// The most quick items in a row that an input which was slow has to show. Larger: it stays slow for longer. Smaller: its
/// pauses hold up results again sooner. Chosen; tests `lazy`.
pub(crate) const MAX_QUICK_ITEMS: u32 = 1 << 12;
/// Nanoseconds that a byte takes to encode in a debug build: not the input's time. Larger: slow inputs are overlooked. Smaller:
/// large items look slow. Measured on a debug build of `wire/arguments.rs`.
pub(crate) const ENCODE_NANOS_PER_BYTE: u64 = 10;
/// Part of the remaining wait budget that one wait for a result takes. Larger: shorter waits. Smaller: one long task uses the budget
/// up. Chosen; tests `lazy`.
pub(crate) const RESULT_WAIT_DIVISOR: u32 = 8;
/// Items read between two reads of the clock, at most. Larger: a slow item is noticed late. Smaller: it is read more often. Bench
/// group `pool-chunked`.
pub(crate) const MAX_ITEMS_PER_CLOCK: usize = 64;

// How long a pool waits for the end of processes and threads.

/// Time that an idle worker without a finalizer takes to leave, and any worker of a dropped pool. Larger: an end that hangs
/// takes longer. Smaller: cuts off what a busy machine would still finish. A guard.
pub(crate) const EXIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Default time from SIGTERM to SIGKILL for a task that is stopped. Larger: the worker is replaced later. Smaller: the task
/// cannot clean up. A guard; see `PoolBuilder::kill_timeout`.
pub(crate) const KILL_TIMEOUT: Duration = Duration::from_millis(200);
/// Time that killed workers, all together, have until the pool has ended. Larger: an end that hangs takes longer. Smaller:
/// cuts off what a busy machine would still finish. A guard.
pub(crate) const REAP_TIMEOUT: Duration = Duration::from_secs(5);
/// Time that dropping a pool waits for workers that the kernel does not let go of. Larger: an end that hangs takes longer.
/// Smaller: cuts off what a busy machine would still finish. A guard.
pub(crate) const DROP_TIMEOUT: Duration = Duration::from_secs(20);
/// Time that an ended pool waits until its workers' standard error was forwarded. Larger: an end that hangs takes longer.
/// Smaller: cuts off what a busy machine would still finish. A guard.
pub(crate) const STDERR_FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

// What is kept of a worker's standard error, and of failures.

/// Bytes of a worker's standard error that errors show: a long backtrace and the text before it. Larger: memory for each
/// worker. Smaller: the cause is cut off. A guard.
pub(crate) const MAX_STDERR_TAIL_BYTES: usize = 32 << 10;
/// Bytes of standard error that are read at once. Larger: stack space. Smaller: more system calls. A guard.
pub(crate) const STDERR_READ_BYTES: usize = 4096;
/// Reads of one worker's standard error before other workers get their turn. Larger: a talkative worker holds them up.
/// Smaller: its pipe fills. A guard.
pub(crate) const MAX_STDERR_READS: usize = 16;
/// Bytes that wait for a slow reader of this process's standard error; the documentation of `capture_stderr` names it.
/// Larger: memory. Smaller: output is dropped sooner. A guard.
pub(crate) const MAX_BUFFERED_STDERR: usize = 256 << 10;
/// Errors of finalizers that are kept; the documentation of `finalizer_errors` names it. Larger: memory. Smaller: later
/// errors are lost. A guard.
pub(crate) const MAX_FINALIZER_ERRORS: usize = 64;
/// Time between two measurements of the workers' memory. Larger: a worker outgrows its limit by more. Smaller: reading
/// `/proc` weighs more. Bench group `pool-chunked`.
pub(crate) const MEMORY_CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// The scheduler's constants. It takes them as an argument, so that tests can vary them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SchedulerTuning {
    /// Work that a worker holds. Larger: more to take back when others idle. Smaller: more messages. Bench group `pool-chunked`.
    pub(crate) prefetch_time: Duration,
    /// Work that a worker holds where the caller waits for all results. Larger: more to revoke when others idle. Smaller:
    /// the pool is woken more often. Bench group `pool-heavy`.
    pub(crate) prefetch_time_collect_all: Duration,
    /// Tasks that a worker holds, at most. Larger: memory. Smaller: tiny tasks run dry. Bench group `pool-chunked`.
    pub(crate) max_prefetch: u64,
    /// Tasks that a worker holds once they were measured. Larger: long tasks wait behind each other. Smaller: a pause between
    /// two tasks. Bench group `pool-heavy`.
    pub(crate) min_prefetch: u64,
    /// Nanoseconds of work below which it is not shared among workers. Larger: one worker does what two could. Smaller: the
    /// transfer, 3 µs, takes longer than the work. Bench group `pool-flat`.
    pub(crate) min_shared_nanos: u64,
    /// Nanoseconds of a task below which [`tiny_chunk_size`](Self::tiny_chunk_size) of them start together. Larger: more tasks
    /// cannot be taken back. Smaller: an atomic operation for each. Bench group `pool-chunked`.
    pub(crate) tiny_task_nanos: u64,
    /// Tiny tasks that start together. Larger: fewer can be taken back. Smaller: an atomic operation more often. Bench group `pool-chunked`.
    pub(crate) tiny_chunk_size: u64,
    /// Bytes in a chunk of more than one task. Larger: a chunk fills the ring. Smaller: more messages. Bench group `pool-large`.
    pub(crate) max_chunk_bytes: usize,
    /// Work not started that is worth being taken back for an idle worker. Larger: idle workers. Smaller: tasks travel back and
    /// forth. Bench group `pool-heavy`.
    pub(crate) min_stolen_work: Duration,
    /// Silence after which a worker's tasks are taken back whatever they usually take. Larger: a long task holds up the others.
    /// Smaller: as of `min_stolen_work`. Bench group `pool-heavy`.
    pub(crate) steal_after_silence: Duration,
    /// Time that a worker leaves its tasks alone until they are taken back for idle workers. Larger: a stopped worker holds tasks
    /// up. Smaller: a busy machine looks like a stopped worker. Test `stopped`.
    pub(crate) revoke_after_silence: Duration,
    /// Time until the next attempt to take back tasks behind a full ring. Larger: expiry is late. Smaller: attempts for nothing.
    /// A guard.
    pub(crate) retry_revoke_after: Duration,
    /// Time without a start after which a worker counts as stopped. Larger: timeouts of its tasks are late. Smaller: a busy machine
    /// looks like a stopped worker. Test `stopped`.
    pub(crate) unresponsive_after: Duration,
    /// Tasks without retries that a worker of another host may start before it has reported a start. Larger: more tasks are uncertain
    /// when the host is lost. Smaller: the worker waits for a grant after each task. Chosen; simulated in `scheduler/tests`.
    pub(crate) min_granted: u64,
    /// Work that such a worker may start, at least. Larger: as of `min_granted`. Smaller: short tasks wait for a report, which
    /// an agent holds back for 200 µs. Chosen; simulated in `scheduler/tests`.
    pub(crate) min_granted_time: Duration,
    /// Hosts that may be lost while a task is running there, before the task is not tried again. Larger: a task that brings hosts down
    /// brings down more. Smaller: a task on unlucky hosts fails. A guard; the documentation of `is_host_lost` names it.
    pub(crate) max_host_losses: u32,
    /// Time to leave for a worker that runs a task which no caller waits for. Larger: a closed pool ends later. Smaller:
    /// cuts off a task that is nearly done. A guard.
    pub(crate) busy_exit_timeout: Duration,
    /// Consecutive workers that end without having run a task before the next start is delayed. Larger: more starts for nothing.
    /// Smaller: an accident delays the pool. A guard.
    pub(crate) free_idle_exits: u32,
    /// The longest delay of a start. Larger: a slow recovery. Smaller: more starts for nothing. A guard.
    pub(crate) max_start_delay: Duration,
}

/// The values that pools use.
pub(crate) static SCHEDULER_TUNING: SchedulerTuning = SchedulerTuning {
    prefetch_time: Duration::from_millis(4),
    prefetch_time_collect_all: Duration::from_millis(12),
    max_prefetch: 32768,
    min_prefetch: 2,
    min_shared_nanos: 10_000,
    tiny_task_nanos: 400,
    tiny_chunk_size: 32,
    max_chunk_bytes: 32 << 10,
    min_stolen_work: Duration::from_micros(200),
    steal_after_silence: Duration::from_micros(500),
    revoke_after_silence: Duration::from_millis(50),
    retry_revoke_after: Duration::from_millis(1),
    unresponsive_after: Duration::from_secs(1),
    min_granted: 2,
    min_granted_time: Duration::from_millis(1),
    max_host_losses: 3,
    busy_exit_timeout: Duration::from_millis(100),
    free_idle_exits: 3,
    max_start_delay: Duration::from_millis(256),
};
