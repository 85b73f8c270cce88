//! Who took a lock gives it back: its guard does not go to another thread.

// says: error[E0277]
// says: cannot be sent between threads safely
// says: MutexGuard

use procession::sync::Mutex;

fn main() {
    let number = Mutex::new(0_u64).unwrap();
    let guard = number.lock().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(guard));
    });
}
