//! Calls that are given up at any moment: what they were about has happened once, or not at all.

use std::collections::BTreeSet;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use procession_channels::{
    Address, Client, JoinableReceiver, JoinableSender, Listener, Receiver, RecvTimeoutError, SendTimeoutError, Sender,
    SocketConnection, SocketRecvError, SocketSendError, TryRecvError, TrySendError, joinable, queue,
};
use procession_process::Process;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const GUARD: Duration = Duration::from_secs(60);
const ITEMS: u64 = 400;
/// The last item: whoever has received it passes it on, and stops.
const LAST: u64 = u64::MAX;

/// How a call is cut off, drawn from a seed.
struct Dice(u64);

impl Dice {
    /// A number below `sides` (xorshift).
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn moment(&mut self) -> Duration {
        Duration::from_micros(self.roll(3) * self.roll(200))
    }
}

/// Polls a future a few times and drops it; `None` if it was not done by then.
fn poll_a_little<F: Future>(future: F, dice: &mut Dice) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..=dice.roll(4) {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return Some(done);
        }
        (0..dice.roll(2000)).for_each(|_| std::hint::spin_loop());
    }
    None
}

/// Sends numbers, each by a call that may be given up, and says which were sent.
fn send_or_not(sender: &Sender<u64>, dice: &mut Dice) -> BTreeSet<u64> {
    let mut sent = BTreeSet::new();
    for number in 0..ITEMS {
        let was_sent = match dice.roll(3) {
            0 => match sender.try_send(number) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => false,
                Err(other) => panic!("{other}"),
            },
            1 => match sender.send_timeout(number, dice.moment()) {
                Ok(()) => true,
                Err(SendTimeoutError::Timeout(_)) => false,
                Err(other) => panic!("{other}"),
            },
            _ => poll_a_little(sender.send_async(number), dice)
                .is_some_and(|done| done.map(|()| true).expect("no error")),
        };
        if was_sent {
            sent.insert(number);
        }
    }
    sent
}

/// Receives numbers, each by a call that may be given up, until the last has come.
fn receive_or_not((receiver, again, seed): (Receiver<u64>, Sender<u64>, u64)) -> Vec<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let (mut dice, mut received) = (Dice(seed), Vec::new());
    let begin = Instant::now();
    while begin.elapsed() < GUARD {
        let number = match dice.roll(3) {
            0 => match receiver.try_recv() {
                Ok(number) => number,
                Err(TryRecvError::Empty) => continue,
                Err(other) => panic!("{other}"),
            },
            1 => match receiver.recv_timeout(dice.moment()) {
                Ok(number) => number,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(other) => panic!("{other}"),
            },
            _ => match poll_a_little(receiver.recv_async(), &mut dice) {
                Some(number) => number.expect("somebody sends"),
                None => continue,
            },
        };
        if number == LAST {
            again.send(LAST).expect("there is room");
            return received;
        }
        received.push(number);
    }
    panic!("it never comes")
}

fn queue_with_cut_offs(seeds: [u64; 3], capacity: usize) {
    let (sender, receiver) = queue(capacity).expect("a queue");
    let child = Process::spawn(receive_or_not, (receiver.clone(), sender.clone(), seeds[0])).expect("it starts");
    let (ours, again) = (receiver.clone(), sender.clone());
    let thread = thread::spawn(move || receive_or_not((ours, again, seeds[1])));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let sent = {
        let _inside = runtime.enter();
        send_or_not(&sender, &mut Dice(seeds[2]))
    };
    sender.send_timeout(LAST, GUARD).expect("somebody receives");
    let mut received = thread.join().expect("no panic");
    received.extend(child.join().expect("it ends"));
    let once: BTreeSet<u64> = received.iter().copied().collect();
    assert_eq!(once.len(), received.len(), "something came twice");
    assert_eq!(once, sent, "something came that was not sent, or was sent and did not come");
}

/// Takes items by calls that may be given up, and finishes them, until the last has come.
fn finish_or_not((receiver, again, seed): (JoinableReceiver<u64>, JoinableSender<u64>, u64)) -> u64 {
    let (mut dice, mut count) = (Dice(seed), 0);
    loop {
        match receiver.recv_timeout(dice.moment()) {
            Ok(item) if *item == LAST => {
                // Before this one is finished, so that nothing looks finished that is not.
                again.send_timeout(LAST, GUARD).expect("there is room");
                return count;
            }
            Ok(_) => count += 1,
            Err(RecvTimeoutError::Timeout) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

fn counted_queue_with_cut_offs(seeds: [u64; 3], capacity: usize) {
    let (sender, receiver) = joinable(capacity.max(3)).expect("a queue");
    let start = |seed| Process::spawn(finish_or_not, (receiver.clone(), sender.clone(), seed)).expect("it starts");
    let children = [start(seeds[0]), start(seeds[1])];
    let mut dice = Dice(seeds[2]);
    let sent = (0..ITEMS).filter(|number| sender.send_timeout(*number, dice.moment()).is_ok()).count() as u64;
    sender.send_timeout(LAST, GUARD).expect("somebody receives");
    let finished: u64 = children.into_iter().map(|child| child.join().expect("it ends")).sum();
    assert_eq!(finished, sent);
    assert_eq!(sender.unfinished(), 1, "the last one, that nobody passes on any more");
}

fn connection_with_cut_offs(seeds: [u64; 3], _: usize) {
    let (here, there) = SocketConnection::pair().expect("a pair");
    let message = |number: u64| vec![number as u8; (number * 7919 % 3000) as usize];
    thread::scope(|scope| {
        scope.spawn(|| (0..ITEMS).for_each(|number| here.send_bytes(&message(number)).expect("somebody receives")));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _inside = runtime.enter();
        let (mut dice, mut next) = (Dice(seeds[0]), 0);
        while next < ITEMS {
            let received = match dice.roll(2) {
                0 => Some(there.recv_bytes_timeout(dice.moment())),
                _ => poll_a_little(there.recv_bytes_async(), &mut dice),
            };
            match received {
                Some(Ok(bytes)) => assert_eq!(bytes, message(next)),
                Some(Err(SocketRecvError::TimedOut)) | None => continue,
                Some(Err(other)) => panic!("{other}"),
            }
            next += 1;
        }
    });
}

/// Sends messages by calls that may be given up, until one is cut off in the middle. What arrives is what was sent, whole; a message that
/// was cut off shows at the other side as such, and as nothing else.
fn connection_whose_sends_are_cut_off(seeds: [u64; 3], _: usize) {
    let (here, there) = SocketConnection::pair().expect("a pair");
    // Some fit into the buffer of the socket, some do not.
    let message = |number: u64| vec![number as u8; (number * 7919 % 400_000) as usize];
    thread::scope(|scope| {
        let receiver = scope.spawn(move || {
            let mut received = Vec::new();
            loop {
                match there.recv_bytes_timeout(GUARD) {
                    Ok(bytes) => received.push(bytes),
                    Err(error) => return (received, error),
                }
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _inside = runtime.enter();
        let (mut dice, mut sent) = (Dice(seeds[0]), Vec::new());
        let mut was_cut_off = false;
        for number in 0..ITEMS {
            let bytes = message(number);
            let done = match dice.roll(2) {
                0 => Some(here.send_bytes_timeout(&bytes, dice.moment())),
                _ => poll_a_little(here.send_bytes_async(&bytes), &mut dice),
            };
            match done {
                Some(Ok(())) => sent.push(bytes),
                // Dropped: either nothing was sent, or the next call learns that it was cut off.
                Some(Err(SocketSendError::TimedOut)) | None => {}
                Some(Err(SocketSendError::CutOff)) => was_cut_off = true,
                Some(Err(other)) => panic!("{other}"),
            }
        }
        was_cut_off |= matches!(here.send_bytes(b"last"), Err(SocketSendError::CutOff));
        sent.extend((!was_cut_off).then(|| b"last".to_vec()));
        drop(here);
        let (received, end) = receiver.join().expect("no panic");
        assert!(received == sent, "{} messages were sent, and {} others came", sent.len(), received.len());
        assert_eq!(matches!(end, SocketRecvError::Truncated), was_cut_off, "{end}");
    });
}

/// Accepts connections by calls that may be given up: each client is accepted once.
fn listener_with_cut_offs(seeds: [u64; 3], _: usize) {
    const CLIENTS: u64 = 12;
    let listener = Listener::bind("@".parse::<Address>().expect("an address"), "key").expect("a name");
    let accepted = thread::scope(|scope| {
        for number in 0..CLIENTS {
            let address = listener.address().clone();
            scope.spawn(move || {
                Client::connect(address, "key").expect("it listens").send(&number).expect("it is there")
            });
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _inside = runtime.enter();
        let (mut dice, mut accepted, begin) = (Dice(seeds[0]), Vec::new(), Instant::now());
        while (accepted.len() as u64) < CLIENTS {
            assert!(begin.elapsed() < GUARD, "{} of {CLIENTS} came", accepted.len());
            let next = match dice.roll(2) {
                0 => listener.accept_timeout(dice.moment()).expect("no limit is reached"),
                _ => poll_a_little(listener.accept_async(), &mut dice).map(|next| next.expect("no limit is reached")),
            };
            accepted.extend(next);
        }
        accepted
    });
    let numbers: BTreeSet<u64> = accepted.iter().map(|one| one.recv().expect("it was sent")).collect();
    assert_eq!(numbers, (0..CLIENTS).collect());
    assert_eq!(listener.refused(), 0);
}

/// Runs a course with several seeds.
fn with_seeds(course: fn([u64; 3], usize)) {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = ProptestConfig { cases: asked.unwrap_or(4), failure_persistence: None, ..ProptestConfig::default() };
    let drawn = (prop::array::uniform3(1_u64..), 1_usize..6);
    let run = |(seeds, capacity)| {
        course(seeds, capacity);
        Ok(())
    };
    TestRunner::new(config).run(&drawn, run).expect("each item comes once");
}

#[test]
fn a_value_is_sent_and_received_once_or_not_at_all_whenever_a_call_is_given_up() {
    with_seeds(queue_with_cut_offs);
}

#[test]
fn an_item_is_counted_once_whenever_a_call_is_given_up() {
    with_seeds(counted_queue_with_cut_offs);
}

#[test]
fn a_message_of_a_connection_is_whole_whenever_a_call_is_given_up() {
    with_seeds(connection_with_cut_offs);
}

#[test]
fn a_message_is_sent_whole_or_cut_off_for_both_sides_whenever_a_call_is_given_up() {
    with_seeds(connection_whose_sends_are_cut_off);
}

#[test]
fn a_connection_is_accepted_once_whenever_a_call_is_given_up() {
    with_seeds(listener_with_cut_offs);
}
