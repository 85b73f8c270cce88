//! A process that is stopped in the middle of using a channel: those who only try, or wait for a time, are not held up by it.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use procession_channels::{
    JoinError, JoinableReceiver, JoinableSender, PipeSender, Receiver, SendTimeoutError, Sender, TrySendError,
    joinable, one_way, queue, wait,
};
use procession_process::Process;
use serde::Serialize;
use serde::de::DeserializeOwned;

const GUARD: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(5);
/// In how many places it is stopped. It is busy with a lock in at least one of ten.
const PLACES: usize = 80;

type Ends = (Sender<String>, Receiver<String>);
type JoinableEnds = (JoinableSender<u8>, JoinableReceiver<u8>);

/// Small and large messages, into queues that are empty, full, and in between. No call waits for long, so that each step ends.
fn come_and_go(((sender, receiver), ready): (Ends, PipeSender<()>)) {
    ready.send(()).expect("the test listens");
    loop {
        for len in [10, 17_000, 10, 40_000] {
            let _full = sender.send_timeout("a".repeat(len), Duration::from_micros(50));
        }
        while receiver.recv_timeout(Duration::from_micros(50)).is_ok() {}
    }
}

fn take_and_finish(((sender, receiver), ready): (JoinableEnds, PipeSender<()>)) {
    ready.send(()).expect("the test listens");
    loop {
        let _full = sender.try_send(1);
        let _empty = receiver.recv_timeout(Duration::from_micros(50)).map(drop);
        let _not_yet = sender.join_timeout(Duration::from_micros(50));
    }
}

/// Starts a process, lets it run from one place to the next, and has `look` look at what it shares meanwhile.
fn at_many_places<E>(ends: E, work: fn((E, PipeSender<()>)), look: fn(&E))
where
    E: Clone + Send + Serialize + DeserializeOwned + 'static,
{
    let (is_ready, ready) = one_way().expect("a pipe");
    let child = Process::builder().daemon(true).spawn(work, (ends.clone(), ready)).expect("it starts");
    is_ready.recv_timeout(GUARD).expect("it runs");
    let pid = Pid::from_raw(child.id().cast_signed());
    ptrace::attach(pid).expect("a child may be traced");
    waitpid(pid, None).expect("it stops");
    let (ask, asked) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for () in asked {
            look(&ends);
            tell.send(()).expect("the test waits");
        }
    });
    for place in 0..PLACES {
        go_on_a_little(pid, place);
        ask.send(()).expect("the thread goes on");
        told.recv_timeout(GUARD).unwrap_or_else(|_| panic!("a call is held up by a process stopped at place {place}"));
    }
    child.kill();
    assert!(child.join().is_err(), "it was killed");
}

/// Lets a process run, stops it wherever it is, and has it take a few more steps: most stops are at the border of a system call.
fn go_on_a_little(pid: Pid, place: usize) {
    ptrace::cont(pid, None).expect("it is stopped");
    (0..place * 997 % 7919).for_each(|_| std::hint::spin_loop());
    kill(pid, Signal::SIGSTOP).expect("it lives");
    waitpid(pid, None).expect("it stops");
    for _ in 0..place * 499 % 1009 {
        ptrace::step(pid, None).expect("it is stopped");
        waitpid(pid, None).expect("it stops again");
    }
}

#[test]
fn nobody_who_only_tries_waits_for_a_process_that_was_stopped() {
    at_many_places(queue(3).expect("a queue"), come_and_go, |(sender, receiver)| {
        for len in [1, 20_000] {
            assert!(matches!(sender.try_send("b".repeat(len)), Ok(()) | Err(TrySendError::Full(_))));
            let sent = sender.send_timeout("b".repeat(len), SHORT);
            assert!(matches!(sent, Ok(()) | Err(SendTimeoutError::Timeout(_))), "{sent:?}");
            let _none = receiver.try_recv();
            let _none = receiver.recv_timeout(SHORT);
        }
        wait(&[receiver], SHORT).expect("it can be waited for");
        let _text = format!("{} {sender:?} {receiver:?}", receiver.len());
    });
}

#[test]
fn nobody_joins_for_longer_than_asked_where_a_process_was_stopped() {
    at_many_places(joinable(3).expect("a queue"), take_and_finish, |(sender, receiver)| {
        let _full = sender.try_send(2);
        let joined = sender.join_timeout(SHORT);
        assert!(matches!(joined, Ok(()) | Err(JoinError::Timeout { .. })), "{joined:?}");
        let _none = receiver.recv_timeout(SHORT).map(procession_channels::Item::into_inner);
        let _text = format!("{} {sender:?} {receiver:?}", sender.unfinished());
    });
}
