//! A producer and a consumer at the two ends of a one-way pipe, with time stamps, until the end of the stream.
//!
//! Nobody sends a mark for the end: it has come when the last sender is gone.
//!
//! ```text
//! cargo run --release --example pipe_one_way
//! ```

use std::error::Error;
use std::thread;
use std::time::{Duration, SystemTime};

use procession::Process;
use procession::channels::{PipeReceiver, PipeSender, RecvError, one_way};

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let (receiver, sender) = one_way::<u32>()?;
    let beginning = SystemTime::now();
    let consumer = Process::builder().name("consumer").spawn(consume, (receiver, beginning))?;
    let producer = Process::builder().name("producer").spawn(produce, (sender, beginning))?;
    producer.join()?;
    consumer.join()?;
    Ok(())
}

fn produce((sender, beginning): (PipeSender<u32>, SystemTime)) {
    for number in 0..10 {
        println!("{} producer: sends {number}", stamp(beginning));
        sender.send(number).expect("the consumer lives");
        thread::sleep(Duration::from_millis(20));
    }
}

fn consume((receiver, beginning): (PipeReceiver<u32>, SystemTime)) {
    loop {
        match receiver.recv() {
            Ok(number) => println!("{} consumer: receives {number}", stamp(beginning)),
            Err(RecvError::Disconnected) => break,
            Err(error) => panic!("{error}"),
        }
    }
    println!("{} consumer: the end of the stream", stamp(beginning));
}

fn stamp(beginning: SystemTime) -> String {
    format!("[{:6.3} s]", beginning.elapsed().unwrap_or_default().as_secs_f64())
}
