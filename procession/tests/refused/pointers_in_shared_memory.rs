//! An address means nothing in another process, so it cannot lie in shared memory.

// says: error[E0277]
// says: `String` cannot lie in memory that several processes share
// says: an address means nothing in another process

use procession::sync::Mutex;

fn main() {
    let name = Mutex::new(String::from("somebody"));
}
