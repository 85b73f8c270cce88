//! A shelf with three places between a baker and a customer. What they do when it is full or empty is up to them.
//!
//! ```text
//! cargo run --release --example queue_producer_consumer
//! ```

use std::error::Error;
use std::time::Duration;

use procession::Process;
use procession::channels::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError, queue};
use procession::sync::Event;

const PLACES: usize = 3;
const LOAVES: u32 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let (sender, receiver) = queue::<u32>(PLACES)?;
    // The customer comes when the shelf is full, and the baker rests once until it is empty: so both are certainly seen.
    let (full, empty) = (Event::new()?, Event::new()?);
    let baker = Process::spawn(bake, (sender, full.clone(), empty.clone()))?;
    let customer = Process::spawn(buy, (receiver, full, empty))?;
    baker.join()?;
    println!("{} loaves were bought", customer.join()?);
    Ok(())
}

fn bake((shelf, full, empty): (Sender<u32>, Event, Event)) {
    for loaf in 1..=LOAVES {
        if loaf == LOAVES {
            empty.wait();
        }
        match shelf.try_send(loaf) {
            Ok(()) => println!("baker: loaf {loaf} is on the shelf"),
            // What could not be sent is handed back.
            Err(TrySendError::Full(loaf)) => {
                println!("baker: the shelf is full, so loaf {loaf} waits");
                full.set();
                shelf.send(loaf).expect("the customer will come");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn buy((shelf, full, empty): (Receiver<u32>, Event, Event)) -> usize {
    full.wait();
    println!("customer: finds {} loaves", shelf.len());
    let mut bought = 0;
    loop {
        match shelf.try_recv() {
            Ok(loaf) => println!("customer: buys loaf {loaf}"),
            Err(TryRecvError::Empty) => {
                println!("customer: the shelf is empty");
                empty.set();
                match shelf.recv_timeout(Duration::from_secs(60)) {
                    Ok(loaf) => println!("customer: buys loaf {loaf}"),
                    Err(RecvTimeoutError::Disconnected) => return bought,
                    Err(error) => panic!("{error}"),
                }
            }
            Err(TryRecvError::Disconnected) => return bought,
            Err(error) => panic!("{error}"),
        }
        bought += 1;
    }
}
