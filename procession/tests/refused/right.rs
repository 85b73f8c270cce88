//! As the others, but right: so it is not for another reason that they are refused.

use procession::Process;
use procession::sync::Mutex;

fn main() {
    procession::init();
    let sum = Mutex::new(0_u64).unwrap();
    let process = Process::spawn(|(n, factor, sum): (u64, u64, Mutex<u64>)| *sum.lock().unwrap() += n * factor, (14, 3, sum));
    process.unwrap().join().unwrap();
}
