//! What the exit of a program does to its children: daemons are terminated, the others are waited for.
//!
//! `farewell return|exit|thread FOLDER`, for the three ways to leave. The children write into the folder.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use procession_process::Process;

fn main() -> Result<(), Box<dyn Error>> {
    procession_process::init();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let folder = PathBuf::from(&words[1]);
    let daemon = Process::builder().daemon(true).spawn(outstay, folder.clone())?;
    fs::write(folder.join("daemon"), daemon.id().to_string())?;
    Process::spawn(finish, folder.clone())?;
    fs::write(folder.join("leaving"), "")?;
    match words[0].as_str() {
        "return" => Ok(()),
        "exit" => std::process::exit(7),
        _ => std::thread::spawn(|| std::process::exit(7)).join().map_err(|_| "the thread panicked".into()),
    }
}

/// What a daemon does that nobody ends.
fn outstay(folder: PathBuf) {
    wait_for(&folder.join("other"));
    std::thread::sleep(std::time::Duration::from_secs(60));
    fs::write(folder.join("survivor"), "here").unwrap();
}

/// Ends well after `main` has begun to leave.
fn finish(folder: PathBuf) {
    wait_for(&folder.join("leaving"));
    // Time for a program that would not wait to be gone; one that waits has all of it.
    std::thread::sleep(std::time::Duration::from_millis(50));
    fs::write(folder.join("unfinished"), "done").unwrap();
    fs::rename(folder.join("unfinished"), folder.join("other")).unwrap();
}

fn wait_for(path: &Path) {
    while !path.exists() {
        std::thread::yield_now();
    }
}
