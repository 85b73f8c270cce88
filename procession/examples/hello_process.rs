//! One function in one process: start it, wait for it, have its value. Who is who is told by process numbers.
//!
//! The first example of the documentation of Python's `multiprocessing`.
//!
//! ```text
//! cargo run --release --example hello_process
//! ```

use std::error::Error;

use procession::{Process, process};

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    introduce("main");
    let process = Process::spawn(hello, "bob".to_owned())?;
    let letters = process.join()?;
    println!("main: process {} has ended with {}", process.id(), process.exit_status().ok_or("it still runs")?);
    println!("main: its function has returned {letters}");
    Ok(())
}

/// Runs in the child.
fn hello(name: String) -> usize {
    introduce("child");
    println!("child: hello {name}");
    name.len()
}

fn introduce(who: &str) {
    let parent = process::parent().map_or("none of ours".to_owned(), |parent| parent.id().to_string());
    println!("{who}: {}, process {}, parent {parent}", process::current().name(), process::current().id());
}
