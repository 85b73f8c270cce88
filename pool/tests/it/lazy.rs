//! `imap` reads its input lazily, on the caller's thread, and keeps a bounded amount in flight.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use procession_pool::Pool;
use procession_sync::Shared;

use crate::agents::{DESCRIPTORS, skips};
use crate::support::{Block, FOREVER, eventually, pool};

#[test]
fn nothing_is_read_before_a_result_is_asked_for() {
    let read = Cell::new(0);
    let pool = pool(2);
    let mut results = pool.imap(|n: u32| n, (0..1000).inspect(|_| read.set(read.get() + 1)));
    assert_eq!(read.get(), 0);
    assert_eq!(results.next().unwrap().unwrap(), 0);
    assert!((1..1000).contains(&read.get()), "{} items were read for one result", read.get());
}

#[test]
fn an_endless_input_of_slow_items_is_read_a_few_items_ahead() {
    let read = Cell::new(0_u64);
    let pool = pool(2);
    let task = |n: u64| {
        std::thread::sleep(Duration::from_millis(3));
        n
    };
    let results = pool.imap(task, (0..).inspect(|n| read.set(*n)));
    for (place, result) in results.take(30).enumerate() {
        assert_eq!(result.unwrap(), place as u64);
        assert!(read.get() < place as u64 + 30, "{} items were read for {place} results", read.get());
    }
}

#[test]
fn an_endless_input_of_short_items_is_read_a_bounded_number_ahead() {
    let read = Cell::new(0_u64);
    let pool = pool(2);
    let results = pool.imap(|n: u64| n, (0..).inspect(|n| read.set(*n)));
    for (place, result) in results.take(300_000).enumerate() {
        assert_eq!(result.unwrap(), place as u64);
        assert!(read.get() <= place as u64 + (1 << 16), "{} items were read for {place} results", read.get());
    }
}

#[test]
fn large_arguments_and_results_are_bounded_in_bytes() {
    const LARGE: usize = 8 << 20;
    let read = Cell::new(0_usize);
    let pool = pool(2);
    let arguments = (0..24).map(|_| Block(vec![1; LARGE])).inspect(|_| read.set(read.get() + 1));
    for (given, result) in pool.imap_unordered(|block: Block| block.0.len(), arguments).enumerate() {
        assert_eq!(result.unwrap(), LARGE);
        assert!(read.get() - given <= 10, "{} arguments were in flight", read.get() - given);
    }
    let read = Cell::new(0_usize);
    let results = pool.imap(|byte: u8| Block(vec![byte; LARGE]), (0..24).inspect(|_| read.set(read.get() + 1)));
    for (given, result) in results.enumerate() {
        assert_eq!(result.unwrap().0.len(), LARGE);
        // How large results are is seen at the first ones; what was in flight by then comes too.
        assert!(read.get() - given <= 17, "{} results were in flight", read.get() - given);
    }
}

#[test]
fn the_length_is_known_where_the_input_s_is() {
    let pool = pool(2);
    let mut results = pool.imap(|n: u32| n, [5, 6, 7]);
    assert_eq!(results.len(), 3);
    results.next();
    assert_eq!((results.len(), results.size_hint()), (2, (2, Some(2))));
    results.by_ref().for_each(drop);
    assert_eq!((results.len(), results.next().is_none()), (0, true));
    assert_eq!(pool.imap_unordered(|n: u32| n, vec![1; 10]).len(), 10);
    assert_eq!(pool.imap(|n: u64| n, 0..).size_hint().0, usize::MAX);
}

#[test]
fn the_input_may_borrow_and_need_not_be_send() {
    let words = Rc::new(String::from("one two three"));
    let pool = pool(2);
    let kept = words.clone();
    let input = words.split(' ').map(|word| (word.to_owned(), Rc::strong_count(&kept)));
    let lengths: Vec<usize> =
        pool.imap(|(word, count): (String, usize)| word.len() + count, input).collect::<Result<_, _>>().unwrap();
    assert_eq!(lengths, [5, 5, 7]);
}

#[test]
fn unordered_results_do_not_wait_for_a_slow_one() {
    let pool = pool(2);
    let task = |n: u32| {
        if n == 0 {
            std::thread::sleep(Duration::from_secs(3600));
        }
        n
    };
    let results: Vec<u32> = pool.imap_unordered(task, 0..100).take(99).map(Result::unwrap).collect();
    assert_eq!(results.len(), 99);
    assert!(!results.contains(&0));
}

#[test]
fn two_iterators_can_be_driven_in_turns() {
    let pool = pool(2);
    let (ones, twos) = (pool.imap(|n: u32| n, 0..300), pool.imap(|n: u32| n * 2, 0..300));
    assert!(ones.zip(twos).all(|(one, two)| one.unwrap() * 2 == two.unwrap()));
}

#[test]
fn results_come_though_a_later_task_of_the_same_worker_does_not_end() {
    const LAST: u32 = 40;
    let task = |n: u32| {
        // So long, at first, that nobody looks any more when the result comes.
        std::thread::sleep(if n == LAST { 2 * FOREVER } else { Duration::from_millis(u64::from(n % 4) * 3) });
        n
    };
    for chunk_size in [None, NonZeroUsize::new(7), NonZeroUsize::new(1 + LAST as usize)] {
        let pool = pool(1);
        let job = match chunk_size {
            None => pool.job(task),
            Some(size) => pool.job(task).chunk_size(size),
        };
        let mut results = job.imap_unordered(0..=LAST);
        for place in 0..LAST {
            let result = results.next_timeout(FOREVER).expect("in time");
            assert_eq!(result.unwrap().unwrap(), place);
        }
        pool.terminate();
    }
}

#[test]
fn a_result_comes_while_its_worker_is_on_to_a_long_task() {
    let pool = pool(1);
    let nap = |micros: u64| std::thread::sleep(Duration::from_micros(micros));
    let long = FOREVER.as_micros() as u64 * 2;
    // The last of the short ones ends so soon after the one before that its worker does not wake the pool for it.
    let mut results = pool.imap(nap, std::iter::repeat_n(300, 20).chain([long]));
    let begin = Instant::now();
    results.by_ref().take(20).for_each(|result| result.unwrap());
    assert!(begin.elapsed() < FOREVER, "they came with the long one");
    drop(results);
    pool.terminate();
}

/// Numbers from 0 on, each of which comes only when the task of the one before has run, and that needs the results before that one to
/// have been given out by then.
fn hesitant<'a>(ran: &'a Shared<AtomicU64>, given: &'a Cell<u64>) -> impl Iterator<Item = u64> + 'a {
    (0..100).scan((), move |(), number| {
        eventually("the run of the item before", || ran.load(Ordering::SeqCst) == number);
        assert!(given.get() + 2 >= number, "{number} is read with {} results given", given.get());
        Some(number)
    })
}

fn counts(ran: &Shared<AtomicU64>, number: u64) -> u64 {
    ran.fetch_add(1, Ordering::SeqCst);
    number
}

#[test]
fn each_item_is_handed_over_and_each_result_given_before_an_input_that_may_block_is_read_on() {
    if skips(DESCRIPTORS) {
        return;
    }
    // One worker: what it has done before is there when it is on to the next.
    let pool: Pool = pool(1);
    for is_ordered in [true, false] {
        let (ran, given) = (Shared::new(AtomicU64::new(0)).unwrap(), Cell::new(0));
        let job = pool.job_with(&ran, counts);
        let input = hesitant(&ran, &given);
        let results: Box<dyn Iterator<Item = _>> =
            if is_ordered { Box::new(job.imap(input)) } else { Box::new(job.imap_unordered(input)) };
        for (place, result) in results.enumerate() {
            assert_eq!(result.unwrap(), place as u64);
            given.set(given.get() + 1);
        }
        assert_eq!(given.get(), 100);
    }
}

#[test]
fn a_result_that_is_there_does_not_wait_for_an_input_that_was_slow() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = pool(1);
    let (ran, given) = (Shared::new(AtomicU64::new(0)).unwrap(), Cell::new(0));
    // It tells how many it has, and the first is slow, so it may be slow again.
    let first_is_slow = |number: &u64| {
        if *number == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        eventually("the run of the item before", || ran.load(Ordering::SeqCst) == *number);
        assert!(given.get() + 2 >= *number, "{number} is read with {} results given", given.get());
    };
    let items: Vec<u64> = (0..8).collect();
    for result in pool.job_with(&ran, counts).imap(items.into_iter().inspect(first_is_slow)) {
        result.unwrap();
        given.set(given.get() + 1);
    }
    assert_eq!(given.get(), 8);
}
