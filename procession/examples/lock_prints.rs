//! Ten processes print a few lines each; a lock keeps the lines of each together.
//!
//! "Synchronization between processes" of the documentation of Python's `multiprocessing`.
//!
//! ```text
//! cargo run --release --example lock_prints
//! ```

use std::error::Error;
use std::thread;
use std::time::Duration;

use procession::Process;
use procession::sync::Lock;

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let screen = Lock::new(())?;
    let processes: Vec<_> =
        (0..10).map(|number| Process::spawn(print, (screen.clone(), number))).collect::<Result<_, _>>()?;
    for process in processes {
        process.join()?;
    }
    Ok(())
}

fn print((screen, number): (Lock, u32)) {
    // A process that is killed while it holds a lock leaves it poisoned, not locked. Half a verse on a screen harms nobody.
    let _guard = screen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    println!("{number}: hello world");
    // Without the lock, others would print now.
    thread::sleep(Duration::from_millis(1));
    println!("{number}: how are you?");
    thread::sleep(Duration::from_millis(1));
    println!("{number}: goodbye");
}
