//! A TCP server that gives each connection a process of its own: an accepted socket travels like any other argument.
//!
//! What one connection does, or whatever kills its process, is nothing to the others. `echo_client` speaks with it, or `nc`.
//!
//! ```text
//! cargo run --release --example echo_server -- [ADDRESS] [--connections N]
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::net::TcpStream;

use lexopt::prelude::{Long, Value, ValueExt};
use procession::{Process, process};
use serde::{Deserialize, Serialize};

/// What a process of the server is given.
#[derive(Serialize, Deserialize)]
struct Visit {
    number: usize,
    #[serde(with = "procession::process::fd")]
    stream: TcpStream,
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let (mut address, mut connections) = ("127.0.0.1:0".to_owned(), usize::MAX);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(given) => address = given.string()?,
            Long("connections") => connections = arguments.value()?.parse()?,
            other => return Err(other.unexpected().into()),
        }
    }
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    for (number, stream) in listener.incoming().take(connections).enumerate() {
        Process::builder().name(format!("visit-{number}")).spawn(serve, Visit { number, stream: stream? })?;
        println!("{} visits at the moment", process::active_children().len());
    }
    // Those who are still talking are waited for.
    Ok(())
}

fn serve(visit: Visit) {
    let (number, pid) = (visit.number, process::current().id());
    match echo(&visit.stream) {
        Ok(lines) => println!("visit {number}, process {pid}: {lines} lines"),
        Err(error) => eprintln!("visit {number}, process {pid}: {error}"),
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
