//! What a pool tells about itself, against what is known to have happened.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::support::pool;

#[test]
fn each_task_is_counted_in_each_histogram() {
    let pool = pool(2);
    pool.map(|n: u32| n, 0..2000).unwrap();
    let stats = pool.stats();
    // What is taken back from a worker waits again.
    assert!(stats.wait.count() >= 2000 && stats.done == 2000);
    // Times are told when a worker gets to it, after the results.
    assert!(stats.run.count() > 0 && stats.run.count() <= 2000);
    assert_eq!(stats.transfer.count(), stats.run.count());
}

#[test]
fn the_time_on_the_way_is_not_the_time_of_running_nor_that_of_waiting_for_others() {
    let pool = pool(1);
    let nap = |n: u32| {
        std::thread::sleep(Duration::from_millis(50));
        n
    };
    // The tenth of them waits for half a second behind nine others.
    pool.job(nap).chunk_size(NonZeroUsize::new(10).unwrap()).map(0..20).unwrap();
    let stats = pool.stats();
    assert!(stats.run.quantile(0.1) >= Duration::from_millis(50), "{stats:?}");
    // On a machine with more to do than it can, each nap may end late, but not half of the ways be as long.
    assert!(stats.transfer.quantile(0.5) < stats.run.quantile(0.5), "{stats:?}");
}
