//! Reads files with a parser that cannot be trusted: whatever a file does to it, the others are read.
//!
//! ```text
//! cargo run --release --example hostile_files -- FILE...
//! ```
//!
//! The parser stands for a library of C, or for one's own code on input from strangers. It counts words, and some words are its undoing.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use procession::pool::TaskError;
use procession::{Failure, Pool};

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let pool = Pool::new(2)?;
    // No file may take longer than this.
    let job = pool.job(parse).timeout(Duration::from_secs(2));
    for (file, outcome) in files.iter().zip(job.imap(files.iter().cloned())) {
        println!("{}: {}", file.display(), told(outcome));
    }
    Ok(())
}

/// The task: runs in a worker. `?` makes a `Failure` of any error.
fn parse(file: PathBuf) -> Result<usize, Failure> {
    let text = std::fs::read_to_string(file)?;
    for word in text.split_whitespace() {
        match word {
            "PANIC" => panic!("a word that cannot be"),
            "CRASH" => std::process::abort(),
            "LOOP" => loop {
                std::hint::spin_loop();
            },
            _ => {}
        }
    }
    Ok(text.split_whitespace().count())
}

fn told(outcome: Result<Result<usize, Failure>, TaskError>) -> String {
    match outcome {
        Ok(Ok(words)) => format!("{words} words"),
        Ok(Err(failure)) => format!("cannot be read: {failure}"),
        Err(error) if error.is_timeout() => "takes too long".to_owned(),
        Err(error) => match (error.panic(), error.exit_status().and_then(|status| status.signal())) {
            (Some(panic), _) => format!("the parser panicked: {}", panic.message()),
            (None, Some(signal)) => format!("the parser crashed: signal {signal}"),
            _ => format!("the parser failed: {error}"),
        },
    }
}
