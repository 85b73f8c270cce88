//! One process puts letters into a queue, another one takes them out.
//!
//! The queue of the tutorials. There, the reader waits for ever and must be killed; here it sees the end of the stream.
//!
//! ```text
//! cargo run --release --example queue_letters
//! ```

use std::error::Error;

use procession::channels::{Receiver, Sender, queue};
use procession::{Process, process};

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let (sender, receiver) = queue::<char>(16)?;
    // Both ends move away, so that this process keeps none of them open.
    let writer = Process::spawn(write, sender)?;
    let reader = Process::spawn(read, receiver)?;
    writer.join()?;
    reader.join()?;
    Ok(())
}

fn write(sender: Sender<char>) {
    println!("writer: process {}", process::current().id());
    for letter in ['A', 'B', 'C'] {
        println!("writer: puts {letter}");
        sender.send(letter).expect("somebody reads");
    }
}

fn read(receiver: Receiver<char>) {
    println!("reader: process {}", process::current().id());
    for letter in receiver {
        println!("reader: gets {}", letter.expect("a letter"));
    }
    println!("reader: there is no writer any more");
}
