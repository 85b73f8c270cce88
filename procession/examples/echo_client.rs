//! The client of `echo_server` and `echo_pool`: sends each of its arguments, or else each line of its input, and prints
//! the answers.
//!
//! ```text
//! cargo run --release --example echo_client -- ADDRESS [LINE...]
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut stream = TcpStream::connect(arguments.next().ok_or("usage: echo_client ADDRESS [LINE...]")?)?;
    let mut answers = BufReader::new(stream.try_clone()?).lines();
    let lines: Vec<String> = arguments.collect();
    let lines: Box<dyn Iterator<Item = io::Result<String>>> =
        if lines.is_empty() { Box::new(io::stdin().lines()) } else { Box::new(lines.into_iter().map(Ok)) };
    for line in lines {
        stream.write_all(format!("{}\n", line?).as_bytes())?;
        println!("{}", answers.next().ok_or("the server has hung up")??);
    }
    Ok(())
}
