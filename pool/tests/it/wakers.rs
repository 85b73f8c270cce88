//! Wakers that use the pool which calls them: they may run on its own thread, or on that of a caller which waits for something else.

use std::path::Path;
use std::pin::Pin;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;

use procession_pool::{AsyncResult, Pool};
use procession_sync::Event;

use crate::agents::{DESCRIPTORS, skips};
use crate::support::{FOREVER, eventually, pool};

/// Uses the pool that it owns, waits for it, and drops it.
struct LastUser(Mutex<Option<Pool>>, Sender<Vec<u64>>);

impl Wake for LastUser {
    fn wake(self: Arc<Self>) {
        if let Some(pool) = self.0.lock().unwrap().take() {
            let values = pool.map(|n: u64| n + 1, 0..100).unwrap();
            pool.close();
            pool.join();
            drop(pool);
            self.1.send(values).unwrap();
        }
    }
}

#[test]
fn a_waker_may_use_the_pool_wait_for_it_and_end_it() {
    if skips(DESCRIPTORS) {
        return;
    }
    for _ in 0..5 {
        let pool = pool(2);
        let gate = Event::new().unwrap();
        let mut result = pool.apply_async(|gate: Event| gate.wait(), gate.clone());
        let (tell, told) = mpsc::channel();
        let waker = Waker::from(Arc::new(LastUser(Mutex::new(Some(pool)), tell)));
        assert!(Pin::new(&mut result).poll(&mut Context::from_waker(&waker)).is_pending());
        // This thread asks for nothing meanwhile, so the waker runs on the pool's own.
        gate.set();
        assert_eq!(told.recv_timeout(FOREVER).unwrap(), (1..=100).collect::<Vec<_>>());
        assert!(result.get().is_ok());
    }
}

/// Calls a function once.
struct Once(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Once {
    fn wake(self: Arc<Self>) {
        let function = self.0.lock().unwrap().take();
        function.into_iter().for_each(|function| function());
    }
}

/// Has a waker call a function when the result is there. The thread asks for nothing meanwhile.
fn on_wake<R>(result: &mut AsyncResult<R>, function: impl FnOnce() + Send + 'static) {
    let waker = Waker::from(Arc::new(Once(Mutex::new(Some(Box::new(function))))));
    if Pin::new(result).poll(&mut Context::from_waker(&waker)).is_ready() {
        waker.wake();
    }
}

/// Waits until a thread sleeps, whose directory in `/proc` it has sent when it began to wait.
fn until_asleep(thread: &Path) {
    eventually("a thread that sleeps", || {
        let stat = std::fs::read_to_string(Path::new("/proc").join(thread).join("stat")).unwrap();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'))
    });
}

/// Has a waker on the pool's own thread wait for a result for which another thread waits already. Both must get it.
fn wait_in_waker(wait: fn(&AsyncResult<u64>) -> u64) {
    let pool = pool(2);
    let (first, second) = (Event::new().unwrap(), Event::new().unwrap());
    let task = |gate: Event| {
        gate.wait();
        7_u64
    };
    let (mut woken, result) = (pool.apply_async(task, first.clone()), pool.apply_async(task, second.clone()));
    let (send, received) = mpsc::channel();
    let (thread_id, asked) = mpsc::channel();
    let of_thread = (result.clone(), send.clone());
    let other = thread::spawn(move || {
        thread_id.send(std::fs::read_link("/proc/thread-self").unwrap()).unwrap();
        of_thread.1.send(of_thread.0.get().unwrap()).unwrap();
    });
    until_asleep(&asked.recv_timeout(FOREVER).unwrap());
    let (enter, entered) = mpsc::channel();
    on_wake(&mut woken, move || {
        enter.send(()).unwrap();
        send.send(wait(&result)).unwrap();
    });
    first.set();
    entered.recv_timeout(FOREVER).unwrap();
    second.set();
    for _ in 0..2 {
        assert_eq!(received.recv_timeout(FOREVER), Ok(7));
    }
    other.join().unwrap();
}

#[test]
fn a_waker_may_wait_for_what_another_thread_waits_for() {
    if skips(DESCRIPTORS) {
        return;
    }
    wait_in_waker(|result| result.get().unwrap());
}

#[test]
fn a_waker_may_wait_for_the_first_of_several_results() {
    if skips(DESCRIPTORS) {
        return;
    }
    wait_in_waker(|result| {
        assert_eq!(AsyncResult::first_completed(std::slice::from_ref(result)), Some(0));
        result.get().unwrap()
    });
}

#[test]
fn wakers_on_the_threads_of_callers_may_wait_for_what_those_wait_for() {
    let pool = pool(2);
    pool.map(|n: u64| n, 0..100).unwrap();
    for round in 0..500 {
        let [mut first, mut second] = [0, 1].map(|n| pool.apply_async(|n: u64| n, round + n));
        let (send, received): (Sender<u64>, _) = mpsc::channel();
        let others = [(second.clone(), send.clone()), (first.clone(), send)];
        let waits = [first.clone(), second.clone()];
        for (woken, (other, send)) in [&mut first, &mut second].into_iter().zip(others) {
            on_wake(woken, move || send.send(other.get().unwrap()).unwrap());
        }
        let threads = waits.map(|result| thread::spawn(move || result.get().unwrap()));
        let mut values: Vec<_> = (0..2).map(|_| received.recv_timeout(FOREVER).unwrap()).collect();
        values.extend(threads.map(|thread| thread.join().unwrap()));
        values.sort_unstable();
        assert_eq!(values, [round, round, round + 1, round + 1]);
    }
}
