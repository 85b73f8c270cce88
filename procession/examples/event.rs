//! One process counts to 99 and gives the signal, the other goes on from 100.
//!
//! ```text
//! cargo run --release --example event
//! ```

use std::error::Error;

use procession::Process;
use procession::sync::Event;

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let hundred = Event::new()?;
    let second = Process::builder().name("second").spawn(count_on, hundred.clone())?;
    let first = Process::builder().name("first").spawn(count_up, hundred)?;
    first.join()?;
    second.join()?;
    Ok(())
}

fn count_up(hundred: Event) {
    for number in 0..100 {
        println!("first: {number}");
    }
    hundred.set();
}

fn count_on(hundred: Event) {
    hundred.wait();
    for number in 100..200 {
        println!("second: {number}");
    }
}
