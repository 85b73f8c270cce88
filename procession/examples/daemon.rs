//! A daemon ends with its parent; any other process is waited for, though `main` has returned.
//!
//! The daemon of the tutorials: its last line is never printed.
//!
//! ```text
//! cargo run --release --example daemon
//! ```

use std::error::Error;
use std::thread;
use std::time::Duration;

use procession::Process;
use procession::sync::{Barrier, Event};

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let all_have_begun = Barrier::new(3)?;
    let main_is_done = Event::new()?;
    Process::builder().name("daemon").daemon(true).spawn(daemon, all_have_begun.clone())?;
    Process::builder().name("worker").spawn(worker, (all_have_begun.clone(), main_is_done.clone()))?;
    all_have_begun.wait()?;
    println!("main: returns");
    main_is_done.set();
    Ok(())
}

fn daemon(all_have_begun: Barrier) {
    println!("daemon: begins");
    all_have_begun.wait().expect("both others live");
    thread::sleep(Duration::from_secs(3600));
    println!("daemon: ends, which nobody will ever read");
}

fn worker((all_have_begun, main_is_done): (Barrier, Event)) {
    println!("worker: begins");
    all_have_begun.wait().expect("both others live");
    main_is_done.wait();
    println!("worker: ends");
}
