//! A smoke test: what the facade re-exports works from here.

use procession::{Pool, Process};

#[test]
fn a_process_and_a_pool() {
    assert_eq!(Process::spawn(|n: u64| n * n, 12).unwrap().join().unwrap(), 144);
    assert_eq!(Pool::new(2).unwrap().map(|n: u64| n * n, 0..4).unwrap(), [0, 1, 4, 9]);
}
