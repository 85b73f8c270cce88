//! A closure that captures has no place in the program that another process could find.

// says: error[E0308]
// says: expected fn pointer, found closure
// says: closures can only be coerced to `fn` types if they do not capture any variables

use procession::Process;

fn main() {
    let factor = 3;
    let process = Process::spawn(|n: u64| n * factor, 14);
}
