//! A struct with a method `run` as a process, and the list of those that run.
//!
//! What Python's tutorials do with a subclass of `Process`. Here the struct is data, the method is the function, and
//! both are given to `spawn`.
//!
//! ```text
//! cargo run --release --example task_struct
//! ```

use std::error::Error;

use procession::sync::Event;
use procession::{Process, process};
use serde::{Deserialize, Serialize};

/// What a process needs for its work, and what it does.
#[derive(Serialize, Deserialize)]
struct Task {
    number: u64,
    may_end: Event,
}

impl Task {
    fn run(self) -> u64 {
        self.may_end.wait();
        self.number * self.number
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    println!("this process may use {} processors", process::cpu_count());
    let may_end = Event::new()?;
    let mut processes = Vec::new();
    for number in 1..=3 {
        let task = Task { number, may_end: may_end.clone() };
        processes.push(Process::builder().name(format!("task-{number}")).spawn(Task::run, task)?);
    }
    for child in process::active_children() {
        println!("{} runs as process {}", child.name(), child.id());
    }
    may_end.set();
    for process in &processes {
        println!("{} has returned {}", process.name(), process.join()?);
    }
    println!("{} are left", process::active_children().len());
    Ok(())
}
