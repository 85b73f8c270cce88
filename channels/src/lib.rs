//! Queues, pipes and listeners between processes.
//!
//! This crate is where they will live; it holds nothing yet. Planned: `queue` and `unbounded` (many senders and receivers over
//! a ring in shared memory), `joinable`, `pipe` and `one_way`, `wait` over many of them, and `Listener` and `Client`, which
//! speak the protocol of Python's `multiprocessing.connection`.
#![deny(unsafe_code)]
