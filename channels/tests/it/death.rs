//! Processes that are killed while they use a channel.

use std::time::{Duration, Instant};

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
    // The server that made the child may hold the receiver for a moment longer than the child did.
    let begin = Instant::now();
    let mut refusals = (0..).map(|n| (n, sender.send(n)));
    let (n, refused) = refusals.find(|(_, sent)| sent.is_err() || begin.elapsed() > GUARD).expect("endless");
    assert_eq!(refused.expect_err("it is noticed").into_inner(), n);
}

#[test]
fn little_memory_is_filled_for_nobody() {
    let (sender, receiver) = unbounded::<String>().expect("a queue");
    let child = Process::spawn(|receiver: Receiver<String>| receiver.iter().count(), receiver).expect("it starts");
    sender.send(String::new()).expect("it receives");
    child.kill();
    assert!(child.join().is_err());
    // The server that made the child may hold the receiver for a moment longer than the child did: another handle notices when not.
    let message = procession_core::codec::encode(&sender).expect("it can be sent");
    let other: Sender<String> = procession_core::codec::decode(message).expect("it arrives");
    let begin = Instant::now();
    while other.send(String::new()).is_ok() {
        assert!(begin.elapsed() < GUARD, "it is never noticed");
    }
    let large = "a".repeat(1 << 20);
    let sent = (0..100).take_while(|_| sender.send(large.clone()).is_ok()).count();
    assert!(sent <= 6, "{sent} messages of a mebibyte");
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

#[test]
fn a_sender_that_is_killed_leaves_nobody_asleep_beside_an_item() {
    // This end sends nothing, but it keeps the receiver from learning of the deaths.
    let (sender, receiver) = queue::<u64>(8).expect("a queue");
    let taker = std::thread::spawn(move || receiver.iter().for_each(|item| assert!(item.is_ok())));
    for round in 0..40_u64 {
        // It sends whenever the receiver is about to sleep.
        let send = |sender: Sender<u64>| while !sender.is_empty() || sender.send(1).is_ok() {};
        let child: Process<()> = Process::spawn(send, sender.clone()).expect("it starts");
        (0..round * 997).for_each(|_| std::hint::spin_loop());
        child.kill();
        assert!(child.join().is_err());
        // Without anybody who sends, what there is must be taken all the same.
        let start = std::time::Instant::now();
        while !sender.is_empty() {
            assert!(start.elapsed() < GUARD, "an item lies there and nobody was woken for it");
            std::thread::yield_now();
        }
    }
    drop(sender);
    taker.join().expect("no panic");
}

#[test]
fn whoever_takes_descriptors_leaves_the_others_awake() {
    let (sender, receiver) = queue::<Option<Sender<u8>>>(8).expect("a queue");
    let (carried, _carry) = queue::<u8>(1).expect("a queue");
    let shows = || {
        let seen = procession_core::Waitable::pollable(&receiver);
        procession_core::os::poll::poll(&[seen], Some(std::time::Instant::now())).expect("it can be asked")[0]
    };
    // As another one would do who is about to sleep.
    assert!(procession_channels::wait(&[&receiver], Duration::ZERO).expect("it can be asked").is_empty());
    assert!(!shows());
    for item in [None, Some(carried.clone()), Some(carried), None] {
        sender.send(item).expect("there is room");
    }
    assert!(shows());
    // The descriptors lie behind the note, which has to make way for them.
    (0..3).for_each(|_| drop(receiver.recv().expect("it was sent")));
    assert!(shows(), "there is one more item, and the other one may not have seen the note");
    assert!(receiver.recv().expect("it was sent").is_none());
    assert!(procession_channels::wait(&[&receiver], Duration::ZERO).expect("it can be asked").is_empty());
}

#[test]
fn whoever_waits_does_nothing_else() {
    // How often the threads of a process have gone to sleep.
    fn rests(pid: u32) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it lives");
        let status = |task: std::io::Result<std::fs::DirEntry>| {
            let text = std::fs::read_to_string(task.expect("it lives").path().join("status")).expect("it lives");
            let line = text.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).expect("Linux tells");
            line.rsplit('\t').next().and_then(|number| number.parse::<u64>().ok()).expect("a number")
        };
        tasks.map(status).sum()
    }
    let (sender, receiver) = queue::<u64>(8).expect("a queue");
    let child = Process::spawn(|receiver: Receiver<u64>| receiver.iter().count(), receiver).expect("it starts");
    sender.send(1).expect("it receives");
    // Until a time has passed in which it did nothing; one that looks from time to time never comes so far.
    let start = std::time::Instant::now();
    let mut before = 0;
    while before != rests(child.id()) {
        assert!(start.elapsed() < GUARD, "it does something again and again");
        before = rests(child.id());
        std::thread::sleep(Duration::from_secs(4));
    }
    drop(sender);
    assert_eq!(child.join().expect("it ends"), 1);
}
