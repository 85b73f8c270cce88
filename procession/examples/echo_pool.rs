//! The echo server again, with a pool: a few workers are shared by any number of visitors, and those who come too early wait.
//!
//! ```text
//! cargo run --release --example echo_pool -- [ADDRESS] [--workers N] [--connections N]
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use lexopt::prelude::{Long, Value, ValueExt};
use procession::pool::AsyncResult;
use procession::{Pool, process};
use serde::{Deserialize, Serialize};

/// What a worker is given.
#[derive(Serialize, Deserialize)]
struct Visit {
    number: usize,
    #[serde(with = "procession::process::fd")]
    stream: TcpStream,
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let (mut address, mut workers, mut connections) = ("127.0.0.1:0".to_owned(), 2, usize::MAX);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(given) => address = given.string()?,
            Long("workers") => workers = arguments.value()?.parse()?,
            Long("connections") => connections = arguments.value()?.parse()?,
            other => return Err(other.unexpected().into()),
        }
    }
    let pool = Pool::new(workers)?;
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    let mut visits = Vec::new();
    for (number, stream) in listener.incoming().take(connections).enumerate() {
        visits.push(pool.apply_async(serve, Visit { number, stream: stream? }));
        visits.retain(|visit| !visit.is_ready() || !told(visit));
    }
    // Those who are still talking, and those who wait for a worker.
    visits.iter().for_each(|visit| {
        told(visit);
    });
    Ok(())
}

/// Waits for the end of a visit, and tells how it was.
fn told(visit: &AsyncResult<String>) -> bool {
    match visit.get() {
        Ok(text) => println!("{text}"),
        Err(error) => eprintln!("{error}"),
    }
    true
}

fn serve(visit: Visit) -> String {
    let (number, pid) = (visit.number, process::current().id());
    match echo(&visit.stream) {
        Ok(lines) => format!("visit {number}, process {pid}: {lines} lines"),
        Err(error) => format!("visit {number}, process {pid}: {error}"),
    }
}

fn echo(mut stream: &TcpStream) -> io::Result<usize> {
    let mut lines = 0;
    for line in BufReader::new(stream).lines() {
        stream.write_all(format!("{}\n", line?).as_bytes())?;
        lines += 1;
    }
    Ok(lines)
}
