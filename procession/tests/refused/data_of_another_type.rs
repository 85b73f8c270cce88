//! A lock knows the type of its data, in every process that has it.

// says: error[E0308]
// says: Mutex<u64>) -> _`
// says: closure has signature: `fn(

use procession::Process;
use procession::sync::Mutex;

fn main() {
    let number = Mutex::new(0_u64).unwrap();
    let process = Process::spawn(|number: Mutex<u32>| *number.lock().unwrap() += 1, number);
}
