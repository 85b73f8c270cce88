//! Results that nobody has to wait for: asked, cancelled, called back, polled, and waited for together.

use std::pin::pin;
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use procession_pool::{AsyncResult, Pool};
use procession_sync::Event;

use crate::agents::{DESCRIPTORS, skips};
use crate::support::{FOREVER, die_by, eventually, pool};

fn sleep_long(n: u64) -> u64 {
    thread::sleep(Duration::from_secs(3600));
    n
}

fn add_one(n: u64) -> u64 {
    n + 1
}

fn panic_over(n: u64) -> u64 {
    panic!("not {n}")
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let (mut future, waker) = (pin!(future), Waker::from(Arc::new(Unpark(thread::current()))));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park_timeout(FOREVER),
        }
    }
}

#[test]
fn results_come_from_many_tasks_at_once() {
    let pool = pool(2);
    let results: Vec<_> = (0..500).map(|n| pool.apply_async(add_one, n)).collect();
    let values: Vec<u64> = results.iter().map(|result| result.get().unwrap()).collect();
    assert_eq!(values, (1..=500).collect::<Vec<_>>());
    assert!(results.iter().all(|result| result.is_ready() && result.is_successful()));
    assert_eq!(results[3].get().unwrap(), 4);
    assert_eq!(results[3].clone().get_timeout(Duration::ZERO).unwrap(), Some(4));
}

#[test]
fn a_whole_job_is_one_result() {
    let pool = pool(2);
    let squares = pool.map_async(|n: u64| n * n, 0..1000);
    let none = pool.map_async(|n: u64| n, []);
    assert_eq!(squares.get().unwrap(), (0..1000).map(|n| n * n).collect::<Vec<_>>());
    assert_eq!(none.get().unwrap(), []);
    assert!(none.is_successful());
    let failed = pool.map_async(|n: u64| if n == 700 { die_by("KILL") } else { n }, 0..1000);
    let error = failed.get().unwrap_err();
    assert_eq!((error.index(), error.is_death()), (700, true));
    assert!(failed.is_ready() && !failed.is_successful());
}

#[test]
fn errors_can_be_asked_for_again() {
    let pool = pool(1);
    let result = pool.apply_async(panic_over, 3);
    let texts = [result.get().unwrap_err().to_string(), result.clone().get().unwrap_err().to_string()];
    assert!(texts[0].contains("not 3") && texts[0] == texts[1], "{texts:?}");
    assert_eq!(result.get().unwrap_err().panic().unwrap().message(), "not 3");
}

#[test]
fn a_result_that_takes_long_is_not_waited_for() {
    let pool = pool(1);
    let result = pool.apply_async(sleep_long, 1);
    assert!(!result.is_ready() && !result.is_successful());
    assert!(!result.wait_timeout(Duration::from_millis(5)));
    assert!(result.get_timeout(Duration::from_millis(5)).unwrap().is_none());
    pool.terminate();
    assert!(result.get().unwrap_err().is_refused());
}

#[test]
fn several_threads_wait_for_one_result() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = pool(1);
    let gate = Event::new().unwrap();
    let wait = |gate: Event| {
        gate.wait();
        7_u64
    };
    let result = pool.apply_async(wait, gate.clone());
    let (left, has_left) = mpsc::channel();
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..6)
            .map(|n| {
                let (result, left) = (result.clone(), left.clone());
                // Some of them leave early, and another one has to take over.
                scope.spawn(move || {
                    if n % 2 == 1 {
                        assert!(!result.wait_timeout(Duration::from_millis(n)));
                        left.send(()).unwrap();
                    }
                    result.get().unwrap()
                })
            })
            .collect();
        (0..3).for_each(|_| has_left.recv_timeout(FOREVER).unwrap());
        gate.set();
        assert!(waiting.into_iter().all(|thread| thread.join().unwrap() == 7));
    });
}

#[test]
fn what_has_not_begun_never_does_once_it_is_cancelled() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = pool(1);
    let (gate, ran) = (Event::new().unwrap(), Event::new().unwrap());
    let first = pool.apply_async(|gate: Event| gate.wait(), gate.clone());
    let second = pool.apply_async(|ran: Event| ran.set(), ran.clone());
    assert!(second.cancel());
    let error = second.get().unwrap_err();
    assert!(!second.cancel());
    assert!(error.is_cancelled() && !error.started(), "{error}");
    gate.set();
    first.get().unwrap();
    assert_eq!(pool.apply_async(add_one, 1).get().unwrap(), 2);
    assert!(!ran.is_set());
    assert!(!first.cancel());
}

#[test]
fn a_running_task_that_is_cancelled_gives_its_worker_back() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = pool(1);
    let begun = Event::new().unwrap();
    let task = |begun: Event| {
        begun.set();
        sleep_long(1)
    };
    let result = pool.apply_async(task, begun.clone());
    assert!(begun.wait_timeout(FOREVER));
    assert!(result.cancel());
    let error = result.get().unwrap_err();
    assert!(error.is_cancelled() && error.started(), "{error}");
    // The only worker was asleep for an hour.
    assert_eq!(pool.apply_async(add_one, 1).get().unwrap(), 2);
}

#[test]
fn a_dropped_result_lets_its_task_run_to_the_end() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = pool(1);
    let ran = Event::new().unwrap();
    for _ in 0..100 {
        drop(pool.apply_async(add_one, 1));
    }
    drop(pool.apply_async(|ran: Event| ran.set(), ran.clone()));
    assert!(ran.wait_timeout(FOREVER));
}

#[test]
fn arguments_that_cannot_be_carried_are_errors_of_the_result() {
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;
    let odd = PathBuf::from(std::ffi::OsString::from_vec(vec![0xff]));
    let pool = pool(1);
    let error = pool.apply_async(|path: PathBuf| path.exists(), odd.clone()).get().unwrap_err();
    assert!(error.is_transport() && !error.started(), "{error}");
    let error = pool.map_async(|path: PathBuf| path.exists(), [PathBuf::new(), odd]).get().unwrap_err();
    assert_eq!((error.index(), error.is_transport()), (1, true));
}

#[test]
fn a_closed_pool_says_so() {
    let pool = pool(1);
    pool.close();
    let (one, many) = (pool.apply_async(add_one, 1), pool.map_async(add_one, 0..3));
    assert!(one.get().unwrap_err().is_refused() && many.get().unwrap_err().is_refused());
}

#[test]
fn results_outlive_their_pool() {
    let result = {
        let pool = pool(1);
        let result = pool.apply_async(add_one, 1);
        result.get().unwrap();
        result
    };
    assert_eq!(result.get().unwrap(), 2);
    let result = {
        let pool = pool(1);
        let result = pool.apply_async(sleep_long, 1);
        pool.terminate();
        result
    };
    assert!(result.get().unwrap_err().is_refused());
}

#[test]
fn callbacks_are_called_once_with_values_and_with_errors() {
    let pool = pool(2);
    let (told, tell) = mpsc::channel();
    for n in 0..20 {
        let told = told.clone();
        let task = if n % 2 == 0 { add_one } else { panic_over };
        pool.apply_async(task, n).on_done(move |result| told.send((n, result.ok())).unwrap());
    }
    drop(told);
    let mut calls: Vec<_> = tell.iter().collect();
    calls.sort_unstable();
    let expected: Vec<_> = (0..20).map(|n| (n, (n % 2 == 0).then_some(n + 1))).collect();
    assert_eq!(calls, expected);
}

#[test]
fn a_callback_for_a_result_that_is_there_is_called_too_and_so_are_several() {
    let pool = pool(1);
    let result = pool.map_async(add_one, 0..100);
    let (told, tell) = mpsc::channel();
    for n in 0..3 {
        if n == 1 {
            result.get().unwrap();
        }
        let told = told.clone();
        result.on_done(move |values| told.send(values.unwrap().len()).unwrap());
    }
    drop(told);
    assert_eq!(tell.iter().collect::<Vec<_>>(), [100; 3]);
}

#[test]
fn callbacks_that_panic_or_hang_hurt_nobody() {
    let pool = pool(2);
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    for n in 0..10 {
        let gate = gate.clone();
        pool.apply_async(add_one, n).on_done(move |result| {
            assert!(n % 2 == 0, "as expected, after {}", result.unwrap());
            let hold = |is_open: &mut bool| !*is_open;
            drop(gate.1.wait_while(gate.0.lock().unwrap(), hold).unwrap());
        });
    }
    let (told, tell) = mpsc::channel();
    pool.apply_async(add_one, 1).on_done(move |result| told.send(result.unwrap()).unwrap());
    assert_eq!(tell.recv_timeout(FOREVER).unwrap(), 2);
    assert_eq!(pool.map(add_one, 0..100).unwrap().len(), 100);
    // It ends while five callbacks hang.
    drop(pool);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
}

#[test]
fn a_callback_may_use_the_pool() {
    let pool = Arc::new(pool(1));
    let (told, tell) = mpsc::channel();
    let inner = pool.clone();
    pool.apply_async(add_one, 1).on_done(move |result| {
        told.send(inner.map(add_one, [result.unwrap()]).unwrap()).unwrap();
    });
    assert_eq!(tell.recv_timeout(FOREVER).unwrap(), [3]);
    eventually("the end of the callback", || Arc::strong_count(&pool) == 1);
}

#[test]
fn results_are_futures() {
    let pool = pool(2);
    let sum = block_on(async {
        let (one, other) = (pool.apply_async(add_one, 1), pool.apply_async(add_one, 2));
        let many = pool.map_async(add_one, 0..1000).await.unwrap();
        one.await.unwrap() + other.await.unwrap() + many.len() as u64
    });
    assert_eq!(sum, 1005);
    let error = block_on(pool.apply_async(|_: u8| -> u8 { die_by("KILL") }, 1)).unwrap_err();
    assert!(error.is_death());
}

#[test]
fn a_future_wakes_the_waker_that_it_was_polled_with_last() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = pool(1);
    let gate = Event::new().unwrap();
    let mut result = pin!(pool.apply_async(|gate: Event| gate.wait(), gate.clone()));
    assert!(result.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    assert!(result.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    gate.set();
    while result.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        thread::park_timeout(FOREVER);
    }
}

#[test]
fn results_are_waited_for_together_over_several_pools() {
    let pools = [pool(1), pool(1)];
    let (long, short, bad) =
        (pools[0].apply_async(sleep_long, 1), pools[1].apply_async(add_one, 1), pools[1].apply_async(panic_over, 1));
    let results = [long, short, bad];
    let first = AsyncResult::first_completed(&results).unwrap();
    assert!(first == 1 || first == 2, "{first}");
    assert_eq!(AsyncResult::first_error(&results), Some(2));
    let error = AsyncResult::all_timeout(&results, Duration::from_millis(5)).unwrap_err();
    assert_eq!((error.missing(), error.to_string().as_str()), (1, "1 of 3 results have not come in time"));
    assert!(AsyncResult::first_completed_timeout(&results[..1], Duration::from_millis(5)).is_err());
    assert!(AsyncResult::first_error_timeout(&results[..2], Duration::from_millis(5)).is_err());
    pools[0].terminate();
    AsyncResult::all(&results);
    assert!(results[0].get().unwrap_err().is_refused());
}

#[test]
fn nothing_is_waited_for_where_there_is_nothing() {
    let none: [AsyncResult<u8>; 0] = [];
    assert_eq!(AsyncResult::first_completed(&none), None);
    assert_eq!(AsyncResult::first_completed_timeout(&none, Duration::ZERO).unwrap(), None);
    assert_eq!(AsyncResult::first_error(&none), None);
    AsyncResult::all(&none);
    assert_eq!(AsyncResult::as_completed(none).count(), 0);
}

#[test]
fn results_come_in_the_order_of_their_ends() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = pool(2);
    let gates: Vec<Event> = (0..2).map(|_| Event::new().unwrap()).collect();
    let results = gates.iter().map(|gate| pool.apply_async(|gate: Event| gate.wait(), gate.clone()));
    let mut results = AsyncResult::as_completed(results.collect::<Vec<_>>());
    assert_eq!(results.len(), 2);
    assert_eq!(results.next_timeout(Duration::from_millis(5)).unwrap_err().missing(), 2);
    gates[1].set();
    assert_eq!(results.next().unwrap().0, 1);
    gates[0].set();
    assert_eq!(results.next_timeout(FOREVER).unwrap().unwrap().0, 0);
    assert!(results.next().is_none() && results.next_timeout(Duration::ZERO).unwrap().is_none());
}

#[test]
fn many_results_come_as_they_end() {
    let pool = pool(2);
    let results = AsyncResult::as_completed((0..3000).map(|n| pool.apply_async(add_one, n)));
    let mut seen = vec![false; 3000];
    for (place, value) in results {
        assert_eq!(value.unwrap(), place as u64 + 1);
        assert!(!std::mem::replace(&mut seen[place], true));
    }
    assert!(seen.into_iter().all(|seen| seen));
}

#[test]
fn a_result_shows_how_it_is() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool: Pool = pool(1);
    let shows = |result: &AsyncResult<u64>, state: &str| {
        eventually(state, || format!("{result:?}") == format!("AsyncResult {{ state: {state}, .. }}"));
    };
    let go_on = Event::new().unwrap();
    let wait = |go_on: &Event, n: u64| {
        go_on.wait();
        n
    };
    let result = pool.job_with(&go_on, wait).apply_async(1);
    shows(&result, "running");
    let (next, cancelled) = (pool.apply_async(panic_over, 99), pool.apply_async(add_one, 1));
    shows(&next, "waiting");
    cancelled.cancel();
    shows(&cancelled, "cancelled");
    go_on.set();
    shows(&result, "value");
    shows(&next, "error");
    let results = AsyncResult::as_completed([result]);
    assert_eq!(format!("{results:?}"), "AsCompleted { count: 1, left: 1 }");
}

#[test]
fn everything_at_once_ends() {
    let pool = pool(2);
    let (told, tell) = mpsc::channel();
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (pool, told) = (&pool, told.clone());
            scope.spawn(move || {
                for n in 0..100_u64 {
                    let result = pool.apply_async(if n % 17 == 0 { panic_over } else { add_one }, n);
                    let many = pool.map_async(add_one, 0..n);
                    match (n + thread) % 6 {
                        0 => drop((result, many)),
                        1 => drop(block_on(result).is_ok() && block_on(many).is_ok()),
                        2 => {
                            let cancelled = result.cancel() | many.cancel();
                            assert!(cancelled || result.is_ready() && many.is_ready());
                            assert!(result.get().is_ok() || n % 17 == 0 || cancelled);
                            assert!(many.get().is_ok() || cancelled);
                        }
                        3 => {
                            let told = told.clone();
                            many.on_done(move |values| told.send(values.unwrap().len() as u64 == n).unwrap());
                        }
                        4 => AsyncResult::all(&[result.clone(), result]),
                        _ => assert_eq!(many.get().unwrap().len() as u64, n),
                    }
                }
            });
        }
    });
    drop(told);
    assert!(tell.iter().all(|is_right| is_right));
    assert_eq!(pool.map(add_one, 0..10).unwrap().len(), 10);
}

#[test]
fn a_result_that_is_cancelled_when_it_is_dropped_frees_its_worker() {
    let pool = pool(1);
    let sleep = |_: u32| std::thread::sleep(Duration::from_secs(3600));
    let kept = pool.apply_async(sleep, 1).cancel_on_drop();
    let clone = kept.clone();
    drop(kept);
    assert!(!clone.is_ready());
    // The worker runs this one, and these wait for it.
    let waiting = pool.map_async(sleep, 0..10).cancel_on_drop();
    let (told, tell) = mpsc::channel();
    let heard = pool.apply_async(|n: u32| n, 3).cancel_on_drop();
    heard.on_done(move |result| told.send(result).unwrap());
    drop((heard, waiting, clone));
    // Somebody waits for the one that has a callback.
    assert_eq!(tell.recv_timeout(FOREVER).unwrap().unwrap(), 3);
    assert_eq!(pool.apply(|n: u32| n, 4).unwrap(), 4);
}

#[test]
fn a_future_that_is_cancelled_when_it_is_dropped_frees_its_worker() {
    let pool = pool(1);
    let mut future = pool.apply_async(|_: u32| std::thread::sleep(Duration::from_secs(3600)), 1).cancel_on_drop();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::Pin::new(&mut future).poll(&mut context).is_pending());
    drop(future);
    assert_eq!(pool.apply(|n: u32| n, 4).unwrap(), 4);
}
