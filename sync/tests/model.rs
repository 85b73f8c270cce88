//! Every schedule of small programs, on the very code of the machines: `RUSTFLAGS="--cfg loom" cargo test -p procession-sync
//! --release --test model -- --nocapture`.
//!
//! Each model is also run with a fault seeded into the machine, and must find it.
#![cfg(loom)]

#[path = "../src/raw/mod.rs"]
#[expect(dead_code, reason = "the models use a part of the machines")]
mod raw;

#[path = "../src/tuning.rs"]
#[expect(dead_code, reason = "the models need no time")]
mod tuning;

#[path = "model/explore.rs"]
mod explore;

#[path = "model/mutex.rs"]
mod mutex;

#[path = "model/event_count.rs"]
mod event_count;

#[path = "model/rwlock.rs"]
mod rwlock;

#[path = "model/semaphore.rs"]
mod semaphore;

#[path = "model/event.rs"]
mod event;

#[path = "model/barrier.rs"]
mod barrier;

#[path = "model/reentrant.rs"]
mod reentrant;
