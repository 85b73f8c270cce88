//! An iterator of results borrows its pool, so it cannot outlive it.

// says: error[E0505]
// says: cannot move out of `pool` because it is borrowed

use procession::Pool;

fn main() {
    let pool = Pool::new(1).unwrap();
    let results = pool.imap(|n: u64| n * n, 0..5);
    drop(pool);
    results.for_each(drop);
}
