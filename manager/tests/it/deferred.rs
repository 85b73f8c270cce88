//! Results that come later than their functions return.

use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use procession_manager::{CallError, Deferred, Manager, Pending, Proxy, Reply};
use procession_process::Process;

use crate::support::{LONG, until};

/// Those who wait for a number.
type Waiting = Mutex<Vec<Reply<u32>>>;

fn wait(waiting: &Waiting, (): ()) -> Deferred<u32> {
    let (reply, deferred) = Deferred::pair();
    waiting.lock().unwrap().push(reply);
    deferred
}

fn serve(waiting: &Waiting, number: u32) -> usize {
    let replies = std::mem::take(&mut *waiting.lock().unwrap());
    let count = replies.len();
    std::thread::spawn(move || replies.into_iter().for_each(|reply| reply.send(&number)));
    count
}

fn waiting() -> (Manager, Proxy<Waiting>) {
    let manager = Manager::start().unwrap();
    let waiting = manager.create(|(): ()| Waiting::default(), ()).unwrap();
    (manager, waiting)
}

fn count(waiting: &Proxy<Waiting>) -> usize {
    waiting.read(|waiting, ()| waiting.lock().unwrap().len(), ()).unwrap()
}

#[test]
fn who_waits_occupies_neither_the_value_nor_a_thread() {
    let (manager, value) = waiting();
    let clients: Vec<Process<u32>> = (0..3)
        .map(|_| {
            let client = |value: Proxy<Waiting>| {
                let calls: Vec<_> = (0..100).map(|_| value.post_read(|_, ()| (), ()).unwrap()).collect();
                calls.into_iter().for_each(|call| call.wait().unwrap());
                value.call_deferred(wait, ()).unwrap()
            };
            Process::spawn(client, value.clone()).unwrap()
        })
        .collect();
    until("all wait", || count(&value) == 3);
    let threads = fs::read_dir(format!("/proc/{}/task", manager.child().id())).unwrap().count();
    assert!(threads < 10, "{threads} threads");
    value.call(|waiting, ()| waiting.get_mut().unwrap().len(), ()).unwrap();
    assert_eq!(value.read(serve, 7).unwrap(), 3);
    assert!(clients.into_iter().all(|client| client.join().unwrap() == 7));
}

#[test]
fn results_come_in_the_order_in_which_they_are_sent() {
    let manager = Manager::start().unwrap();
    let value = manager.create(|(): ()| (), ()).unwrap();
    let sleep = |(): &(), millis: u64| {
        let (reply, deferred) = Deferred::pair();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(millis));
            reply.send(&millis);
        });
        deferred
    };
    // The long one is not over when the short one is, unless nobody gets a turn for an hour.
    let mut calls: Vec<Pending<u64>> = Vec::new();
    for millis in [3_600_000, 1] {
        calls.push(value.post_given::<Sleep, u64, u64, u64>(|n| n, &millis).unwrap());
    }
    assert_eq!(Pending::first(&calls).unwrap(), 1);
    assert!(!calls[0].is_ready() && calls[1].is_ready());
    assert_eq!(calls.pop().unwrap().wait().unwrap(), 1);
    assert_eq!(value.call_deferred(sleep, 1).unwrap(), 1);
}

/// Gives the function to a thread that sleeps first.
struct Sleep;

impl procession_manager::ApplyOn<(), u64, u64> for Sleep {
    type Argument = u64;
    type Result = Deferred<u64>;

    fn apply_on((): &(), function: fn(u64) -> u64, millis: u64) -> Deferred<u64> {
        let (reply, deferred) = Deferred::pair();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(millis));
            reply.send(&function(millis));
        });
        deferred
    }
}

#[test]
fn who_is_killed_or_has_waited_enough_is_forgotten() {
    let (manager, value) = waiting();
    let late = value.call_deferred_timeout(wait, (), Duration::from_millis(10)).unwrap_err();
    assert_eq!(late, CallError::Timeout { started: true });
    let client: Process<()> =
        Process::spawn(|value: Proxy<Waiting>| drop(value.call_deferred(wait, ())), value.clone()).unwrap();
    until("it waits, too", || count(&value) == 2);
    client.kill();
    until("it is gone", || manager.stats().unwrap().references == 1);
    assert_eq!(value.read(serve, 7).unwrap(), 2);
    let again = Process::spawn(|value: Proxy<Waiting>| value.call_deferred(wait, ()).unwrap(), value.clone()).unwrap();
    until("another one waits", || count(&value) == 1);
    assert_eq!(value.read(serve, 8).unwrap(), 1);
    assert_eq!(again.join().unwrap(), 8);
}

#[test]
fn a_promise_that_is_broken_is_an_error() {
    let (manager, value) = waiting();
    let forget = |_: &Waiting, (): ()| Deferred::<u32>::pair().1;
    let error = value.call_deferred(forget, ()).unwrap_err();
    assert!(matches!(&error, CallError::Result(text) if text.contains("dropped")), "{error}");
    let posted = value.clone();
    let client = std::thread::spawn(move || posted.call_deferred_timeout(wait, (), LONG));
    until("it waits", || count(&value) == 1);
    manager.shutdown().unwrap();
    assert_eq!(client.join().unwrap(), Err(CallError::ManagerGone));
}

#[test]
fn a_method_in_the_manager_may_wait_for_a_result_that_comes_later() {
    let (manager, value) = waiting();
    let other = manager.create(|value: Proxy<Waiting>| value, value.clone()).unwrap();
    let asks = std::thread::spawn(move || other.read(|value, ()| value.call_deferred(wait, ()), ()));
    until("it waits", || count(&value) == 1);
    value.read(serve, 9).unwrap();
    assert_eq!(asks.join().unwrap().unwrap(), Ok(9));
}

#[test]
fn a_deferred_result_belongs_to_a_call() {
    let (_, deferred) = Deferred::<u32>::pair();
    let error = procession_core::codec::encode(&deferred).unwrap_err();
    assert!(error.to_string().contains("can only be returned"), "{error}");
}
