//! Ten processes append a line each to one log file, under a lock.
//!
//! The lock guards something that is not in its memory, so it is a `Lock`: a `Mutex<()>`.
//!
//! ```text
//! cargo run --release --example lock_file -- [FILE]
//! ```

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use procession::sync::Lock;
use procession::{Process, process};

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let folder = tempfile::tempdir()?;
    let file = std::env::args_os().nth(1).map_or_else(|| folder.path().join("log"), PathBuf::from);
    let lock = Lock::new(())?;
    let mut processes = Vec::new();
    for number in 0..10 {
        let argument = (lock.clone(), file.clone(), number);
        processes.push(Process::builder().name(format!("writer-{number}")).spawn(append, argument)?);
    }
    for process in processes {
        process.join()??;
    }
    print!("{}", fs::read_to_string(&file)?);
    Ok(())
}

fn append((lock, file, number): (Lock, PathBuf, u32)) -> Result<(), String> {
    let _guard = lock.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    write_slowly(&file, number).map_err(|error| error.to_string())
}

/// A line in three pieces: without the lock, the pieces of all processes would be mixed.
fn write_slowly(file: &PathBuf, number: u32) -> io::Result<()> {
    let mut log = OpenOptions::new().create(true).append(true).open(file)?;
    let me = process::current();
    for piece in [format!("{}: ", me.name()), format!("line {number} "), format!("by process {}\n", me.id())] {
        log.write_all(piece.as_bytes())?;
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
