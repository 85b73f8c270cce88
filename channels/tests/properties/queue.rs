//! Queues: in order for each sender, nothing lost, nothing twice; with one receiver in the order in which `send` was done.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use procession_channels::{
    Receiver, RecvError, RecvTimeoutError, SendTimeoutError, Sender, TryRecvError, TrySendError, queue, unbounded,
};
use procession_process::Process;
use procession_sync::Shared;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::{GUARD, config, outcome, size, text};

/// What a sender does next.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Put {
    One(usize),
    /// Until there is room.
    Try(usize),
    Timeout(usize),
    Many(Vec<usize>),
}

/// How a receiver receives next.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Take {
    One,
    Try,
    Timeout,
    Many(usize),
}

/// Who sent it, its number, and its bytes.
type Message = (usize, usize, Vec<u8>);

/// The ticks of a clock that all share: when `send` was called, and when it was done.
type Span = (u64, u64);

fn put() -> impl Strategy<Value = Put> {
    prop_oneof![
        3 => size().prop_map(Put::One),
        1 => size().prop_map(Put::Try),
        1 => size().prop_map(Put::Timeout),
        2 => prop::collection::vec(size(), 0..25).prop_map(Put::Many),
    ]
}

fn take() -> impl Strategy<Value = Take> {
    prop_oneof![
        3 => Just(Take::One),
        1 => Just(Take::Try),
        1 => Just(Take::Timeout),
        2 => (1..50_usize).prop_map(Take::Many),
    ]
}

/// From 1 to 1,000, and now and then none.
fn capacity() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![3 => (1..4_usize).prop_map(Some), 5 => (1..=1000_usize).prop_map(Some), 1 => Just(None)]
}

fn scripts() -> impl Strategy<Value = (Vec<Vec<Put>>, Vec<Vec<Take>>)> {
    let puts = prop::collection::vec(prop::collection::vec(put(), 0..20), 1..=4);
    (puts, prop::collection::vec(prop::collection::vec(take(), 1..6), 1..=4))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn queues_lose_nothing_and_keep_the_order((puts, takes) in scripts(), capacity in capacity()) {
        let (sender, receiver) = capacity.map_or_else(unbounded, queue).expect("a queue");
        let clock = Shared::new(AtomicU64::new(0)).expect("there is memory");
        let receivers = takes.into_iter().map(|takes| Process::spawn(receive, (takes, receiver.clone())));
        let receivers: Vec<_> = receivers.map(|process| process.expect("it starts")).collect();
        let senders = puts.iter().enumerate().map(|(who, puts)| {
            Process::spawn(send, (who, puts.clone(), sender.clone(), clock.clone())).expect("it starts")
        });
        let senders: Vec<_> = senders.collect();
        drop((sender, receiver));
        let spans = senders.iter().map(outcome).collect::<Result<Vec<_>, _>>()?;
        let received = receivers.iter().map(outcome).collect::<Result<Vec<_>, _>>()?;
        for (who, puts) in puts.iter().enumerate() {
            prop_assert_eq!(spans[who].len(), puts.iter().map(Put::count).sum::<usize>());
        }
        check(&spans, &received)?;
    }
}

/// Each message of each sender was received once, and by each receiver in order.
fn check(spans: &[Vec<Span>], received: &[Vec<(usize, usize)>]) -> Result<(), TestCaseError> {
    let mut all: Vec<_> = received.concat();
    all.sort_unstable();
    let sent: Vec<_> =
        spans.iter().enumerate().flat_map(|(who, spans)| (0..spans.len()).map(move |n| (who, n))).collect();
    prop_assert_eq!(all, sent);
    for one in received {
        let mut seen = HashMap::new();
        for (who, number) in one {
            prop_assert!(seen.insert(who, number).is_none_or(|before| before < number), "out of order: {:?}", one);
        }
    }
    if let [only] = received {
        let mut latest = 0;
        for (who, number) in only {
            let (began, done) = spans[*who][*number];
            prop_assert!(done > latest, "{:?} was sent before its predecessors were begun", (who, number));
            latest = latest.max(began);
        }
    }
    Ok(())
}

impl Put {
    fn count(&self) -> usize {
        if let Put::Many(sizes) = self { sizes.len() } else { 1 }
    }
}

fn send((who, puts, sender, clock): (usize, Vec<Put>, Sender<Message>, Shared<AtomicU64>)) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for put in puts {
        let (first, count) = (spans.len(), put.count());
        let message = |at: usize, len: &usize| (who, first + at, text(who, first + at, *len));
        let began = clock.fetch_add(1, SeqCst);
        match put {
            Put::One(len) => sender.send(message(0, &len)).expect("somebody receives"),
            Put::Try(len) => try_send(&sender, message(0, &len)),
            Put::Timeout(len) => send_timeout(&sender, message(0, &len)),
            Put::Many(sizes) => {
                let messages = sizes.iter().enumerate().map(|(at, len)| message(at, len));
                assert_eq!(sender.send_many(messages).expect("somebody receives"), count);
            }
        }
        let done = clock.fetch_add(1, SeqCst);
        spans.extend(std::iter::repeat_n((began, done), count));
    }
    spans
}

fn try_send(sender: &Sender<Message>, mut message: Message) {
    loop {
        match sender.try_send(message) {
            Ok(()) => return,
            Err(TrySendError::Full(back)) => message = back,
            Err(other) => panic!("{other}"),
        }
        std::thread::yield_now();
    }
}

fn send_timeout(sender: &Sender<Message>, mut message: Message) {
    loop {
        match sender.send_timeout(message, Duration::from_micros(300)) {
            Ok(()) => return,
            Err(SendTimeoutError::Timeout(back)) => message = back,
            Err(other) => panic!("{other}"),
        }
    }
}

/// Receives until the end, and says what came from whom.
fn receive((takes, receiver): (Vec<Take>, Receiver<Message>)) -> Vec<(usize, usize)> {
    let mut received = Vec::new();
    for take in takes.iter().cycle() {
        let Some(messages) = receive_some(take, &receiver) else { break };
        for (who, number, body) in messages {
            assert!(body == text(who, number, body.len()), "message {number} of sender {who} is broken");
            received.push((who, number));
        }
    }
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Disconnected)));
    received
}

/// Nothing when the queue has ended.
fn receive_some(take: &Take, receiver: &Receiver<Message>) -> Option<Vec<Message>> {
    let one = match take {
        Take::One => receiver.recv_timeout(GUARD),
        Take::Timeout => receiver.recv_timeout(Duration::from_micros(300)),
        Take::Try => match receiver.try_recv() {
            Ok(message) => Ok(message),
            Err(TryRecvError::Disconnected) => Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) => Err(RecvTimeoutError::Timeout),
            Err(other) => panic!("{other}"),
        },
        Take::Many(most) => match receiver.recv_many(*most) {
            Ok(messages) => {
                assert!((1..=*most).contains(&messages.len()));
                return Some(messages);
            }
            Err(error) if matches!(error.reason, RecvError::Disconnected) => return None,
            Err(other) => panic!("{other}"),
        },
    };
    match one {
        Ok(message) => Some(vec![message]),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) if !matches!(take, Take::One) => Some(Vec::new()),
        Err(other) => panic!("{other}"),
    }
}
