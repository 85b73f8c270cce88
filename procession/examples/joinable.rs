//! A queue that knows when everything that went in has been dealt with, and says so when somebody died over it.
//!
//! Python's `JoinableQueue`, whose `join` waits for ever if a worker dies.
//!
//! ```text
//! cargo run --release --example joinable
//! ```

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use procession::Process;
use procession::channels::{JoinableReceiver, joinable};
use procession::sync::Shared;

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let (jobs, there) = joinable::<u32>(4)?;
    let sum = Shared::new(AtomicU32::new(0))?;
    for _ in 0..3 {
        Process::spawn(work, (there.clone(), sum.clone()))?;
    }
    // From here on only workers hold the receiving end.
    drop(there);

    jobs.send_many(1..=20)?;
    jobs.join()?;
    println!("all jobs are done, their sum is {}", sum.load(Relaxed));

    jobs.send(0)?;
    println!("a deadly one: {}", jobs.join().unwrap_err());

    jobs.send_many(1..=20)?;
    jobs.join()?;
    println!("the others go on, the sum is {}", sum.load(Relaxed));
    // With the last sender gone, the workers see the end of the stream and end.
    Ok(())
}

fn work((jobs, sum): (JoinableReceiver<u32>, Shared<AtomicU32>)) {
    while let Ok(job) = jobs.recv() {
        if *job == 0 {
            std::process::abort();
        }
        sum.fetch_add(*job, Relaxed);
        // Here the item is dropped: it is done.
    }
}
