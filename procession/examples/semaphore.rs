//! Twenty processes, five of them at a time, with a live list of who is inside.
//!
//! The pool of runners of the tutorials: a semaphore lets them in, a list in shared memory says who they are.
//!
//! ```text
//! cargo run --release --example semaphore
//! ```

use std::error::Error;

use procession::Process;
use procession::sync::{Barrier, Mutex, Semaphore};

const RUNNERS: u32 = 20;
const SEATS: u32 = 5;

/// Who is inside: the numbers of the runners, with 0 for an empty seat. It lies in shared memory.
type Inside = Mutex<[u32; SEATS as usize]>;

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let seats = Semaphore::new(SEATS)?;
    let inside: Inside = Mutex::new([0; SEATS as usize])?;
    let room_is_full = Barrier::new(SEATS)?;
    let mut processes = Vec::new();
    for number in 1..=RUNNERS {
        let argument = (number, seats.clone(), inside.clone(), room_is_full.clone());
        processes.push(Process::builder().name(format!("runner-{number}")).spawn(run, argument)?);
    }
    for process in processes {
        process.join()?;
    }
    println!("all {RUNNERS} have run, {} of {SEATS} seats are free", seats.available());
    Ok(())
}

fn run((number, seats, inside, room_is_full): (u32, Semaphore, Inside, Barrier)) {
    let _seat = seats.acquire();
    change(&inside, 0, number);
    // What they do inside: they wait for company, so that the room is certainly full from time to time.
    room_is_full.wait().expect("nobody dies in the room");
    change(&inside, number, 0);
}

/// Puts `new` into the place of `old`, and tells who is inside now. Nobody else can do so until that is printed.
fn change(inside: &Inside, old: u32, new: u32) {
    let mut list = inside.lock().expect("nobody panics while it changes the list");
    let place =
        list.iter_mut().find(|place| **place == old).expect("the semaphore lets in as many as there are places");
    *place = new;
    let names: Vec<_> = list.iter().filter(|number| **number != 0).map(|number| format!("runner-{number}")).collect();
    println!("{} inside: {}", names.len(), names.join(" "));
}
