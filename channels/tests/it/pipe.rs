//! Pipes between real processes.

use std::time::Duration;

use procession_channels::{Connection, RecvError, SendError, one_way, pipe};
use procession_process::Process;

const GUARD: Duration = Duration::from_secs(60);

#[test]
fn questions_and_answers() {
    let (here, there) = pipe::<u64, u64>().expect("a pipe");
    let child = Process::spawn(
        |end: Connection<u64, u64>| {
            while let Ok(number) = end.recv() {
                end.send(number + 1).expect("the parent waits");
            }
        },
        there,
    )
    .expect("it starts");
    for n in 0..20_000 {
        here.send(n).expect("the child receives");
        assert_eq!(here.recv_timeout(GUARD).expect("it answers"), n + 1);
    }
    drop(here);
    child.join().expect("it ends");
}

#[test]
fn bytes_of_all_sizes_there_and_back() {
    let (here, there) = pipe::<(), ()>().expect("a pipe");
    let child = Process::spawn(
        |end: Connection<(), ()>| {
            let mut buffer = Vec::new();
            while end.receiver().recv_bytes_reusing(&mut buffer).is_ok() {
                end.send_bytes(&buffer).expect("the parent waits");
            }
        },
        there,
    )
    .expect("it starts");
    for size in [0, 1, 63, 64, 16_384, 16_385, 262_144, 5_000_000] {
        let bytes: Vec<u8> = (0..size).map(|n: usize| (n * 31) as u8).collect();
        for _ in 0..5 {
            here.send_bytes(&bytes).expect("the child receives");
            assert!(here.poll(GUARD).expect("it can be asked"));
            assert!(here.recv_in_place().expect("it answers")[..] == bytes);
        }
    }
    drop(here);
    child.join().expect("it ends");
}

#[test]
fn batches_of_bytes_cross() {
    let (receiver, sender) = one_way::<()>().expect("a pipe");
    let child = Process::spawn(
        |sender: procession_channels::PipeSender<()>| {
            for _ in 0..50 {
                let (mut buffer, mut ends) = (Vec::new(), Vec::new());
                for n in 0..1000_usize {
                    buffer.resize(buffer.len() + if n == 500 { 50_000 } else { n % 50 }, n as u8);
                    ends.push(buffer.len());
                }
                sender.send_many_bytes(&buffer, &ends).expect("the parent receives");
            }
        },
        sender,
    )
    .expect("it starts");
    let (mut buffer, mut ends, mut count) = (Vec::new(), Vec::new(), 0_usize);
    while receiver.recv_many_bytes(256, &mut buffer, &mut ends).is_ok() {
        let mut start = 0;
        for end in ends.drain(..) {
            let n = count % 1000;
            assert_eq!(end - start, if n == 500 { 50_000 } else { n % 50 });
            assert!(buffer[start..end].iter().all(|byte| *byte == n as u8));
            (start, count) = (end, count + 1);
        }
        buffer.clear();
    }
    assert_eq!(count, 50_000);
    child.join().expect("it ends");
}

#[test]
fn a_pipe_that_nobody_reads_fills_up() {
    let (receiver, sender) = one_way::<()>().expect("a pipe");
    let sent = (0..).take_while(|_| sender.try_send_bytes(&[1; 10_000]).is_ok()).count();
    assert!((20..100).contains(&sent), "{sent}");
    assert!(sender.is_full());
    assert!(sender.send_bytes_timeout(b"more", Duration::from_millis(10)).is_err());
    (0..sent).for_each(|_| assert_eq!(receiver.recv_bytes().expect("it was sent").len(), 10_000));
    assert!(!sender.is_full());
    sender.try_send_bytes(&[1; 10_000_000]).expect("one message of any size is taken");
}

#[test]
fn the_end_of_the_stream_comes_after_what_was_sent() {
    let (here, there) = pipe::<u32, u32>().expect("a pipe");
    here.send(1).expect("there is room");
    drop(here);
    assert_eq!(there.recv().expect("it was sent"), 1);
    assert!(there.poll(Duration::ZERO).expect("it can be asked"));
    assert!(matches!(there.recv(), Err(RecvError::Disconnected)));
    assert!(matches!(there.send(2), Err(SendError::Disconnected(2))));
}

#[test]
fn threads_share_an_end_without_mixing_messages() {
    let (receiver, sender) = one_way::<()>().expect("a pipe");
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let sender = &sender;
            scope.spawn(move || {
                for n in 0..2000_usize {
                    sender.send_bytes(&vec![thread; 1 + n * 7 % 30_000]).expect("somebody receives");
                }
            });
        }
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let receiver = &receiver;
                scope.spawn(move || {
                    for _ in 0..4000 {
                        let bytes = receiver.recv_bytes_timeout(GUARD).expect("it comes");
                        assert!(bytes.iter().all(|byte| *byte == bytes[0]));
                    }
                })
            })
            .collect();
        readers.into_iter().for_each(|reader| reader.join().expect("no assertion failed"));
    });
}

#[test]
fn hostile_handles_are_refused() {
    use procession_core::codec::{self, Descriptor, Handles};
    let (_receiver, sender) = one_way::<()>().expect("a pipe");
    let (bytes, handles) = codec::encode(&sender).expect("it can be sent").into_parts();
    let refuse = |bytes: &[u8], handles: Handles| {
        codec::decode_from::<procession_channels::PipeSender<()>>(bytes, handles)
            .expect_err("it is no pipe")
            .to_string()
    };
    let twin = || handles.try_clone().expect("descriptors");
    let null = || std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").expect("there is one"));
    let text = refuse(&bytes, Handles::from(vec![null(), null()]));
    assert!(text.contains("was sent as `plain descriptor`"), "{text}");
    // Its insides, in any order, are nothing else than what they are.
    let wrong =
        (0..bytes.len()).flat_map(|at| [0, 1, 99].map(|byte| (at, byte))).filter(|(at, byte)| bytes[*at] != *byte);
    let wrong = wrong.map(|(at, byte)| {
        let mut bytes = bytes.to_vec();
        bytes[at] = byte;
        codec::decode_from::<procession_channels::PipeSender<()>>(&bytes, twin())
            .map_or_else(|error| error.to_string(), |_| String::new())
    });
    let texts = wrong.collect::<String>();
    assert!(texts.contains("two directions"), "one of the bytes is that number");
    assert!(texts.contains("cannot be received as"), "two of them are those of the memory and the socket");
    assert!(codec::decode_from::<(Descriptor, Descriptor, u8)>(&bytes, twin()).is_err());
    assert!(codec::decode_from::<(procession_core::Arena, Descriptor, u8)>(&bytes, twin()).is_err());
}

#[test]
fn a_message_that_is_too_long_can_be_told_and_skipped() {
    let (receiver, sender) = procession_channels::one_way::<()>().expect("a pipe");
    for len in [50, 40_000, 3] {
        sender.send_bytes(&vec![1; len]).expect("there is room");
    }
    receiver.set_max_len(10);
    for len in [50, 40_000] {
        let Err(procession_channels::TryRecvError::Failed(error)) = receiver.try_recv_bytes() else {
            panic!("too long")
        };
        assert!(error.is_too_long(), "{error}");
        assert_eq!(error, error.clone());
        assert_eq!(receiver.skip().expect("it is there"), len);
    }
    assert_eq!(receiver.recv_bytes().expect("it is short"), [1; 3]);
    assert_eq!(receiver.skip(), Err(procession_channels::TryRecvError::Empty));
}
