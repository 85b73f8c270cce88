//! Estimates pi by throwing darts, on this machine or on many.
//!
//! ```text
//! cargo run --release --features hosts --example cluster_pi -- 1000            # here, or on the hosts of a batch job
//! cargo run --release --features hosts --example cluster_pi -- 1000 node1 node2:16   # by ssh
//! ```
//!
//! The number is of millions of darts. The result is the same on any number of hosts.

use std::env;
use std::error::Error;
use std::time::Instant;

use procession::Pool;
use procession::hosts::{Hosts, HostsError};

/// Darts of one task.
const DARTS: u64 = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let mut arguments = env::args().skip(1);
    let tasks: u64 = arguments.next().map_or(Ok(100), |number| number.parse())?;
    let names: Vec<String> = arguments.collect();

    let pool = match choose(&names)? {
        Some(hosts) => Pool::builder().hosts(hosts).build()?,
        None => Pool::builder().build()?,
    };
    let started = Instant::now();
    let mut hits = 0;
    // A task may run again on another host if its own is lost: throwing the same darts twice does no harm.
    for found in pool.job(throw).retries(3).imap_unordered(0..tasks) {
        hits += found?;
    }
    let pi = 4.0 * hits as f64 / (tasks * DARTS) as f64;
    println!("pi is about {pi:.6}");
    eprintln!("{tasks} million darts by {} workers in {:.2} s", pool.workers(), started.elapsed().as_secs_f64());
    Ok(())
}

/// The hosts that were named, or those of the environment; `None` for this machine alone.
fn choose(names: &[String]) -> Result<Option<Hosts>, HostsError> {
    if !names.is_empty() {
        return Ok(Some(Hosts::ssh(names)));
    }
    match Hosts::from_env() {
        Ok(hosts) => Ok(Some(hosts)),
        Err(HostsError::NoList) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The task: counts the darts inside the circle.
fn throw(task: u64) -> u64 {
    // Each task has its own part of one long sequence.
    let mut state = task * 2 * DARTS;
    let mut next = || {
        state += 1;
        splitmix(state) as f64 / u64::MAX as f64
    };
    (0..DARTS).filter(|_| next().hypot(next()) <= 1.0).count() as u64
}

/// The number at one place of a sequence that looks random.
fn splitmix(place: u64) -> u64 {
    let mut bits = place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
