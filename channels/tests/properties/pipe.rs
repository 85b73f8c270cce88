//! Pipes: what goes in comes out, in order and whole, however it is cut into calls.

use procession_channels::{Connection, RecvError, TryRecvError, pipe};
use procession_process::Process;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::{GUARD, config, outcome, size, text};

/// How many messages go at once, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Put {
    Value(usize),
    Bytes(usize),
    ManyValues(Vec<usize>),
    ManyBytes(Vec<usize>),
}

/// How plain bytes are received next.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Take {
    Bytes,
    Reusing,
    Into,
    InPlace,
    Try,
    Timeout,
    Many(usize),
}

type End = Connection<Vec<u8>, Vec<u8>>;

/// What one process does: its number, what it sends, and how it receives.
type Script = (usize, Vec<Put>, Vec<Take>);

fn put() -> impl Strategy<Value = Put> {
    let sizes = || prop::collection::vec(size(), 1..25);
    prop_oneof![
        size().prop_map(Put::Value),
        size().prop_map(Put::Bytes),
        sizes().prop_map(Put::ManyValues),
        sizes().prop_map(Put::ManyBytes),
    ]
}

fn puts() -> impl Strategy<Value = Vec<Put>> {
    prop::collection::vec(put(), 0..20)
}

fn takes() -> impl Strategy<Value = Vec<Take>> {
    let take = prop_oneof![
        Just(Take::Bytes),
        Just(Take::Reusing),
        Just(Take::Into),
        Just(Take::InPlace),
        Just(Take::Try),
        Just(Take::Timeout),
        (1..50_usize).prop_map(Take::Many),
    ];
    prop::collection::vec(take, 1..6)
}

/// The two ways are called at the same time, in each process by a thread of its own.
fn both_ways(end: &End, (who, puts, takes): &Script, expected: &[Put]) -> usize {
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| send(end, *who, puts));
        let received = receive(end, 1 - who, takes, expected);
        sending.join().expect("it sends everything");
        received
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn pipes_carry_everything_both_ways(
        there in puts(), back in puts(), here_takes in takes(), there_takes in takes()
    ) {
        let (here, far) = pipe::<Vec<u8>, Vec<u8>>().expect("a pipe");
        let child = Process::spawn(
            |(end, script, expected): (End, Script, Vec<Put>)| both_ways(&end, &script, &expected),
            (far, (1, back.clone(), there_takes), there.clone()),
        )
        .expect("it starts");
        let came = both_ways(&here, &(0, there.clone(), here_takes), &back);
        prop_assert_eq!(came, sizes(&back).count());
        prop_assert_eq!(outcome(&child)?, sizes(&there).count());
        prop_assert!(matches!(here.recv_timeout(GUARD), Err(procession_channels::RecvTimeoutError::Disconnected)));
    }
}

/// The length of each message, and whether it is sent as a value.
fn sizes(puts: &[Put]) -> impl Iterator<Item = (usize, bool)> {
    puts.iter().flat_map(|put| {
        let (sizes, value) = match put {
            Put::Value(size) => (vec![*size], true),
            Put::Bytes(size) => (vec![*size], false),
            Put::ManyValues(sizes) => (sizes.clone(), true),
            Put::ManyBytes(sizes) => (sizes.clone(), false),
        };
        sizes.into_iter().map(move |size| (size, value))
    })
}

fn send(end: &End, who: usize, puts: &[Put]) {
    let mut number = 0;
    let mut next = |len: &usize| {
        number += 1;
        text(who, number, *len)
    };
    for put in puts {
        match put {
            Put::Value(len) => end.send(next(len)).expect("the other end receives"),
            Put::Bytes(len) => end.send_bytes(&next(len)).expect("the other end receives"),
            Put::ManyValues(sizes) => {
                let sent = end.sender().send_many(sizes.iter().map(&mut next)).expect("the other end receives");
                assert_eq!(sent, sizes.len());
            }
            Put::ManyBytes(sizes) => {
                let (mut buffer, mut ends) = (Vec::new(), Vec::new());
                for len in sizes {
                    buffer.extend(next(len));
                    ends.push(buffer.len());
                }
                end.sender().send_many_bytes(&buffer, &ends).expect("the other end receives");
            }
        }
    }
}

/// Receives what is expected, values as values, and says how many came. Runs of plain bytes may be taken together.
fn receive(end: &End, who: usize, takes: &[Take], expected: &[Put]) -> usize {
    let expected: Vec<_> = sizes(expected).collect();
    let (mut number, mut takes, mut buffer) = (0, takes.iter().cycle(), Vec::new());
    while number < expected.len() {
        let (_, value) = expected[number];
        let run = expected[number..].iter().take_while(|(_, value)| !value).count();
        let messages = match takes.next().expect("they never end") {
            _ if value => vec![end.recv_timeout(GUARD).expect("a value comes")],
            take => receive_bytes(end, take, run, &mut buffer),
        };
        for message in messages {
            let len = expected[number].0;
            number += 1;
            assert!(message == text(who, number, len), "message {number} of {len} bytes came as {}", message.len());
        }
    }
    number
}

fn receive_bytes(end: &End, take: &Take, run: usize, buffer: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let receiver = end.receiver();
    assert!(receiver.poll(GUARD).expect("it can be asked"), "bytes come");
    match take {
        Take::Bytes => vec![end.recv_bytes().expect("bytes come")],
        Take::InPlace => vec![end.recv_in_place().expect("bytes come").to_vec()],
        Take::Timeout => vec![receiver.recv_bytes_timeout(GUARD).expect("bytes come")],
        Take::Reusing => {
            receiver.recv_bytes_reusing(buffer).expect("bytes come");
            vec![buffer.clone()]
        }
        Take::Into => {
            buffer.resize(200_000, 0);
            let len = end.recv_bytes_into(buffer).expect("bytes come");
            vec![buffer[..len].to_vec()]
        }
        Take::Try => match receiver.try_recv_bytes() {
            Ok(bytes) => vec![bytes],
            Err(TryRecvError::Empty) => Vec::new(),
            Err(other) => panic!("{other}"),
        },
        Take::Many(most) => {
            let (mut bytes, mut ends) = (Vec::new(), Vec::new());
            let count = receiver.recv_many_bytes(run.min(*most), &mut bytes, &mut ends).expect("bytes come");
            assert!((1..=run.min(*most)).contains(&count) && count == ends.len());
            let mut start = 0;
            ends.iter().map(|end| bytes[std::mem::replace(&mut start, *end)..*end].to_vec()).collect()
        }
    }
}

#[test]
fn the_end_comes_after_the_last_message() {
    let (here, there) = pipe::<Vec<u8>, Vec<u8>>().expect("a pipe");
    send(&here, 0, &[Put::Bytes(5), Put::ManyBytes(vec![0, 20_000, 1])]);
    drop(here);
    assert_eq!(
        receive(&there, 0, &[Take::Many(2), Take::InPlace], &[Put::Bytes(5), Put::ManyBytes(vec![0, 20_000, 1])]),
        4
    );
    assert!(matches!(there.recv(), Err(RecvError::Disconnected)));
}
