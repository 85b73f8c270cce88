//! What `map` brings: order, functions of all kinds, the first error, many threads.

use std::num::NonZeroUsize;
use std::ops::Mul;

use procession_pool::Pool;
use serde::{Deserialize, Serialize};

use crate::support::pool;

fn square<T: Mul<Output = T> + Copy>(n: T) -> T {
    n * n
}

#[derive(Serialize, Deserialize)]
struct Greeter(String);

impl Greeter {
    fn greet(self) -> String {
        format!("hello {}", self.0)
    }
}

#[test]
fn results_come_in_the_order_of_the_items() {
    let numbers: Vec<u64> = (0..20_000).collect();
    let squares = pool(3).map(|n: u64| n * n, numbers.iter().copied()).unwrap();
    assert!(squares.iter().zip(&numbers).all(|(square, n)| *square == n * n));
    assert_eq!(squares.len(), numbers.len());
}

#[test]
fn order_holds_when_items_take_differently_long() {
    let spin = |n: u64| {
        let rounds = if n.is_multiple_of(7) { 200_000 } else { 10 };
        (0..rounds).fold(n, |x, _| std::hint::black_box(x))
    };
    assert_eq!(pool(4).map(spin, 0..500).unwrap(), (0..500).collect::<Vec<_>>());
}

#[test]
fn any_function_will_do() {
    let pool = pool(2);
    assert_eq!(pool.map(square::<i32>, [1, -2, 3]).unwrap(), [1, 4, 9]);
    assert_eq!(pool.map(square::<f64>, [0.5]).unwrap(), [0.25]);
    assert_eq!(pool.map(Greeter::greet, [Greeter("you".into())]).unwrap(), ["hello you"]);
    assert_eq!(pool.map(|(a, b): (String, usize)| a.repeat(b), [("ab".into(), 2)]).unwrap(), ["abab"]);
}

#[test]
fn nothing_brings_nothing_and_units_are_counted() {
    let pool = pool(2);
    assert_eq!(pool.map(|n: u8| n, []).unwrap(), []);
    assert_eq!(pool.map(|()| (), [(), (), ()]).unwrap(), [(), (), ()]);
}

#[test]
fn errors_that_a_function_returns_are_values() {
    let results =
        pool(2).map(|text: String| text.parse::<u8>().map_err(|error| error.to_string()), ["7".into(), "x".into()]);
    assert_eq!(results.unwrap(), [Ok(7), Err("invalid digit found in string".into())]);
}

#[test]
fn the_first_error_ends_it_and_the_pool_goes_on() {
    let pool = pool(2);
    let error = pool.map(|n: u32| if n == 5 { panic!("five") } else { n }, 0..).unwrap_err();
    assert_eq!((error.index(), error.panic().unwrap().message()), (5, "five"));
    assert!(error.panic().unwrap().location().unwrap().contains("maps.rs"));
    assert!(error.to_string().contains("PoolWorker-"), "{error}");
    assert_eq!(pool.map(|n: u32| n + 1, [1]).unwrap(), [2]);
}

#[test]
fn a_fixed_chunk_size_changes_nothing_but_the_chunks() {
    for size in [1, 7, 1000] {
        let pool = Pool::builder().workers(2).chunk_size(NonZeroUsize::new(size).unwrap()).build().unwrap();
        assert_eq!(pool.map(|n: u32| n + 1, 0..3000).unwrap(), (1..=3000).collect::<Vec<_>>());
    }
}

#[test]
fn several_threads_share_a_pool() {
    let pool = pool(2);
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..5 {
                    let begin = thread * 1000 + round;
                    let expected: Vec<u64> = (begin..begin + 300).map(|n| n + thread).collect();
                    let items = (begin..begin + 300).map(|n| (n, thread));
                    assert_eq!(pool.map(|(n, thread)| n + thread, items).unwrap(), expected);
                }
            });
        }
    });
}

#[test]
fn a_task_may_have_a_pool_of_its_own() {
    let nested = |n: u64| -> u64 { pool(2).map(square::<u64>, 0..n).unwrap().into_iter().sum() };
    assert_eq!(pool(2).map(nested, [3, 4, 5]).unwrap(), [5, 14, 30]);
}

#[test]
fn results_that_wait_for_their_turn_are_not_waited_for_again() {
    let pool = pool(2);
    let nap = |micros: u64| std::thread::sleep(std::time::Duration::from_micros(micros));
    pool.map(nap, [200; 20]).unwrap();
    // The first one comes last, and so many cannot be in flight at once.
    let results = pool.job(nap).collect_all(std::iter::once(500_000).chain([200; 1000]));
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1001);
}
