//! The group `pool-result`: the ways to learn a result of a pool, beside `get`.

use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use procession::Pool;

use crate::group::{Failure, Figure, Group, System};
use crate::measure::{Repeat, expect, latency};
use crate::options::Options;
use crate::pool::{WORKERS, add_one};

/// The first row is what the others are held against.
pub const GROUP: Group = Group {
    name: "pool-result",
    title: "one trivial task on an idle pool of 2, from the call to its result in the thread that called",
    unit: "µs (lower is better)",
    systems: &[
        System { name: "procession get", measure: |options| measure(options, get) },
        System { name: "procession future", measure: |options| measure(options, future) },
        System { name: "procession callback", measure: |options| measure(options, callback) },
    ],
};

const TIMES: usize = 20_000;

fn measure(options: Options, ask: fn(&Pool, u64) -> Result<u64, Failure>) -> Result<Figure, Failure> {
    let pool = Pool::new(WORKERS)?;
    pool.map(add_one, 0..100)?;
    let mut n = 0;
    latency(Repeat::times(TIMES).under(options), || {
        n += 1;
        expect(ask(&pool, n)?, n + 1)
    })
}

fn get(pool: &Pool, n: u64) -> Result<u64, Failure> {
    Ok(pool.apply_async(add_one, n).get()?)
}

/// Wakes the thread that polls.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn future(pool: &Pool, n: u64) -> Result<u64, Failure> {
    let mut result = pin!(pool.apply_async(add_one, n));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match result.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return Ok(value?),
            Poll::Pending => thread::park(),
        }
    }
}

fn callback(pool: &Pool, n: u64) -> Result<u64, Failure> {
    let (sender, receiver) = mpsc::channel();
    let result = pool.apply_async(add_one, n);
    // The receiver is gone only if this function has failed already.
    result.on_done(move |value| drop(sender.send(value)));
    Ok(receiver.recv()??)
}
