//! Processes that are killed while they use a channel.

use std::time::Duration;

use procession_channels::{Connection, Receiver, RecvError, Sender, queue, unbounded};
use procession_process::Process;

const GUARD: Duration = Duration::from_secs(60);

#[test]
fn the_end_is_told_when_the_last_sender_is_killed() {
    let (sender, receiver) = queue::<u64>(4).expect("a queue");
    let child = Process::spawn(|sender: Sender<u64>| (0..).try_for_each(|n| sender.send(n)).is_ok(), sender)
        .expect("it starts");
    for n in 0..1000 {
        assert_eq!(receiver.recv_timeout(GUARD).expect("it comes"), n);
    }
    child.kill();
    let mut next = 1000;
    loop {
        match receiver.recv_timeout(GUARD) {
            Ok(n) => assert_eq!(n, next),
            Err(procession_channels::RecvTimeoutError::Disconnected) => break,
            Err(other) => panic!("{other}"),
        }
        next += 1;
    }
    assert!(child.join().is_err());
}

#[test]
fn sending_fails_when_the_last_receiver_was_killed() {
    let (sender, receiver) = unbounded::<u64>().expect("a queue");
    let child = Process::spawn(|receiver: Receiver<u64>| receiver.iter().count(), receiver).expect("it starts");
    sender.send(0).expect("it receives");
    child.kill();
    assert!(child.join().is_err());
    let refused = (0..1000).find_map(|n| sender.send(n).err()).expect("it is noticed");
    assert!(refused.into_inner() <= 65);
}

#[test]
fn a_blocked_sender_learns_that_the_receiver_was_killed() {
    let (sender, receiver) = queue::<u64>(1).expect("a queue");
    let (here, there) = procession_channels::pipe::<(), ()>().expect("a pipe");
    let run = |(_receiver, there): (Receiver<u64>, Connection<(), ()>)| drop(there.recv());
    let child = Process::spawn(run, (receiver, there)).expect("it starts");
    sender.send(1).expect("there is room");
    let blocked = std::thread::spawn(move || sender.send(2).expect_err("nobody receives").into_inner());
    child.kill();
    assert_eq!(blocked.join().expect("no panic"), 2);
    assert!(matches!(here.recv(), Err(RecvError::Disconnected)));
    drop(child.join());
}

#[test]
fn a_handle_inside_a_message_keeps_its_channel_open() {
    let (sender, receiver) = queue::<u8>(1).expect("a queue");
    let (carry, carried) = queue::<Sender<u8>>(1).expect("a queue");
    carry.send(sender).expect("there is room");
    assert!(matches!(receiver.try_recv(), Err(procession_channels::TryRecvError::Empty)));
    carried.recv().expect("it was sent").send(9).expect("there is room");
    assert_eq!(receiver.recv().expect("it was sent"), 9);
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
}

/// Each message is its sender's number, its own, and bytes that follow from them.
type Item = (u32, u64, Vec<u8>);

fn send_for_ever((me, sender): (u32, Sender<Item>)) {
    for n in 0.. {
        let size = if n % 50 == 0 { 40_000 } else { (n * 37 % 500) as usize };
        if sender.send((me, n, vec![n as u8; size])).is_err() {
            return;
        }
    }
}

fn receive_for_ever(receiver: Receiver<Item>) {
    for item in receiver {
        let (_, n, bytes) = item.expect("whole values arrive");
        assert!(bytes.iter().all(|byte| *byte == n as u8));
    }
}

#[test]
fn senders_and_receivers_are_killed_at_random_and_the_rest_goes_on() {
    let (sender, receiver) = queue::<Item>(50).expect("a queue");
    let mut last = std::collections::HashMap::<u32, u64>::new();
    for round in 0..40_u32 {
        let first = Process::spawn(send_for_ever, (round, sender.clone())).expect("it starts");
        let second = Process::spawn(receive_for_ever, receiver.clone()).expect("it starts");
        for _ in 0..(round * 97 % 1000) {
            let (who, n, bytes) = receiver.recv_timeout(GUARD).expect("the queue goes on");
            assert!(bytes.iter().all(|byte| *byte == n as u8));
            assert!(last.insert(who, n).is_none_or(|before| before < n), "in order");
        }
        first.kill();
        second.kill();
        assert!(first.join().is_err() && second.join().is_err());
    }
    drop(sender);
    while let Ok(item) = receiver.recv_timeout(GUARD) {
        assert!(item.2.iter().all(|byte| *byte == item.1 as u8));
    }
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
}

#[test]
fn one_who_dies_with_the_locks_hurts_nobody() {
    // Killed while it does nothing else than to take and give back the locks: sooner or later it holds one.
    let (sender, receiver) = queue::<u64>(2).expect("a queue");
    let mut next = 0;
    for round in 0..30_u64 {
        let poll = |(sender, receiver): (Sender<u64>, Receiver<u64>)| {
            loop {
                drop((sender.try_send(u64::MAX), receiver.try_recv()));
            }
        };
        let child: Process<()> = Process::spawn(poll, (sender.clone(), receiver.clone())).expect("it starts");
        for _ in 0..round {
            sender.send(next).expect("there is a receiver");
            let got = receiver.recv_timeout(GUARD).expect("there is something for each that was sent");
            assert!(got == u64::MAX || got <= next, "{got} was never sent");
            next += 1;
        }
        child.kill();
        assert!(child.join().is_err());
        while receiver.try_recv().is_ok() {}
        sender.try_send(next).expect("the queue is empty");
        assert_eq!(receiver.try_recv().expect("it was sent"), next);
    }
}
