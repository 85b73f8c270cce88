//! A program whose file is gone, or another, while it runs: it goes on starting processes. `vanishing deleted|replaced`
//! removes its own file, so run a copy.

use std::error::Error;
use std::fs;

use procession_process::{Process, StartMethod};

fn main() -> Result<(), Box<dyn Error>> {
    procession_process::init();
    let own = std::env::current_exe()?;
    fs::remove_file(&own)?;
    if std::env::args().nth(1).as_deref() == Some("replaced") {
        fs::write(&own, "this is no program")?;
    }
    let start = |method, n: u32| Process::builder().start_method(method).spawn(|n: u32| n, n);
    let copy = start(StartMethod::Fork, 1)?.join()?;
    let (server, spawned) = (start(StartMethod::Server, 2)?.join()?, start(StartMethod::Spawn, 3)?.join()?);
    println!("fork {copy}, server {server}, spawn {spawned}");
    Ok(())
}
