//! The end of a queue knows the type of its items, and so does the function that gets it.

// says: error[E0308]
// says: expected `Sender<String>`, found `Sender<u64>`

use procession::Process;
use procession::channels::{Sender, queue};

fn say(sender: Sender<String>) {
    sender.send("hello".to_owned()).unwrap();
}

fn main() {
    let (sender, _receiver) = queue::<u64>(1).unwrap();
    let process = Process::spawn(say, sender);
}
