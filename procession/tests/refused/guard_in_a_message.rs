//! A lock can be sent, and its guard cannot: two processes would have it.

// says: error[E0277]
// says: MutexGuard
// says: Serialize` is not satisfied

use procession::Process;
use procession::sync::{Mutex, MutexGuard};

fn main() {
    let number = Mutex::new(0_u64).unwrap();
    let process = Process::spawn(|_: MutexGuard<'static, u64>| (), number.lock().unwrap());
}
