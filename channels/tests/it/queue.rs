//! Queues between real processes.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use procession_channels::{Receiver, RecvError, SendError, Sender, TryRecvError, TrySendError, queue, unbounded};
use procession_core::codec::Descriptor;
use procession_process::Process;

const GUARD: Duration = Duration::from_secs(60);

#[test]
fn values_cross_in_order_with_little_room() {
    let (sender, receiver) = queue::<u64>(3).expect("a queue");
    let child = Process::spawn(
        |sender: Sender<u64>| (0..20_000).try_for_each(|n| sender.send(n)).map_err(|error| error.to_string()),
        sender,
    )
    .expect("it starts");
    for expected in 0..20_000 {
        assert_eq!(receiver.recv_timeout(GUARD).expect("it comes"), expected);
    }
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    assert_eq!(child.join().expect("it ends"), Ok(()));
}

#[test]
fn every_value_arrives_once_from_many_to_many() {
    const EACH: u64 = 30_000;
    let (sender, receiver) = queue::<(u64, u64)>(100).expect("a queue");
    let senders: Vec<_> = (0..3)
        .map(|me| {
            let run = |(me, sender): (u64, Sender<(u64, u64)>)| {
                (0..EACH).for_each(|n| sender.send((me, n)).expect("somebody receives"));
            };
            Process::spawn(run, (me, sender.clone())).expect("it starts")
        })
        .collect();
    drop(sender);
    let receivers: Vec<_> = (0..3)
        .map(|_| {
            let run = |receiver: Receiver<(u64, u64)>| {
                let mut seen = [None::<u64>; 3];
                let (mut count, mut sum) = (0_u64, 0_u64);
                for item in receiver {
                    let (who, n) = item.expect("it is a pair");
                    assert!(seen[who as usize].is_none_or(|before| before < n), "each sender's values come in order");
                    seen[who as usize] = Some(n);
                    (count, sum) = (count + 1, sum + n);
                }
                (count, sum)
            };
            Process::spawn(run, receiver.clone()).expect("it starts")
        })
        .collect();
    drop(receiver);
    senders.into_iter().for_each(|child| child.join().expect("it ends"));
    let totals = receivers.into_iter().map(|child| child.join().expect("it ends"));
    let total = totals.fold((0, 0), |(count, sum), (c, s)| (count + c, sum + s));
    assert_eq!(total, (3 * EACH, 3 * (EACH * (EACH - 1) / 2)));
}

#[test]
fn messages_of_all_sizes_keep_their_bytes() {
    let sizes = [0, 1, 7, 8, 100, 16_000, 16_384, 16_390, 65_530, 65_536, 200_000, 3_000_000];
    let (sender, receiver) = queue::<Vec<u8>>(2).expect("a queue");
    let child = Process::spawn(
        |(sender, sizes): (Sender<Vec<u8>>, Vec<usize>)| {
            for round in 0..20_usize {
                for size in &sizes {
                    sender.send(vec![(size + round) as u8; *size]).expect("the parent receives");
                }
            }
        },
        (sender, sizes.to_vec()),
    )
    .expect("it starts");
    for round in 0..20 {
        for size in sizes {
            let bytes = receiver.recv_timeout(GUARD).expect("it comes");
            assert_eq!(bytes.len(), size);
            assert!(bytes.iter().all(|byte| *byte == (size + round) as u8));
        }
    }
    child.join().expect("it ends");
}

#[test]
fn batches_mix_with_single_and_large_values() {
    let (sender, receiver) = queue::<Vec<u8>>(50).expect("a queue");
    let child = Process::spawn(
        |sender: Sender<Vec<u8>>| {
            let sizes = (0..3000_usize).map(|n| if n % 500 == 499 { 100_000 } else { n % 300 });
            sender.send_many(sizes.map(|size| vec![size as u8; size])).expect("the parent receives")
        },
        sender,
    )
    .expect("it starts");
    let mut received = Vec::new();
    while let Ok(values) = receiver.recv_many(64) {
        assert!(!values.is_empty() && values.len() <= 64);
        received.extend(values);
    }
    assert_eq!(child.join().expect("it ends"), 3000);
    assert_eq!(received.len(), 3000);
    for (n, bytes) in received.iter().enumerate() {
        assert_eq!(bytes.len(), if n % 500 == 499 { 100_000 } else { n % 300 });
    }
}

#[test]
fn a_process_may_send_much_and_end_before_anybody_receives() {
    let (sender, receiver) = unbounded::<Vec<u8>>().expect("a queue");
    let child = Process::spawn(
        |sender: Sender<Vec<u8>>| {
            sender.send(vec![7; 64 << 20]).expect("there is memory");
            (0..1000).for_each(|n| sender.send(vec![n as u8; 1000]).expect("there is memory"));
        },
        sender,
    )
    .expect("it starts");
    child.join().expect("it does not wait for a reader");
    assert_eq!(receiver.recv().expect("it was sent").len(), 64 << 20);
    assert_eq!(receiver.iter().map(|value| value.expect("bytes").len()).sum::<usize>(), 1_000_000);
}

#[test]
fn handles_travel_inside_values() {
    let (outer, requests) = queue::<(u32, Sender<u32>)>(4).expect("a queue");
    let server = Process::spawn(
        |requests: Receiver<(u32, Sender<u32>)>| {
            for request in requests {
                let (number, answers) = request.expect("a request");
                answers.send(number * 2).expect("the asker waits");
            }
        },
        requests,
    )
    .expect("it starts");
    for number in 0..300 {
        let (answers, answer) = queue(1).expect("a queue");
        outer.send((number, answers)).expect("the server receives");
        assert_eq!(answer.recv_timeout(GUARD).expect("it answers"), number * 2);
        assert!(matches!(answer.recv(), Err(RecvError::Disconnected)), "the server has let go of its end");
    }
    drop(outer);
    server.join().expect("it ends");
}

#[test]
fn descriptors_stay_with_their_values_among_several_receivers() {
    let (sender, receiver) = queue::<(usize, Option<Descriptor>)>(64).expect("a queue");
    let receivers: Vec<_> = (0..2)
        .map(|_| {
            let run = |receiver: Receiver<(usize, Option<Descriptor>)>| {
                let mut count = 0;
                for item in receiver {
                    let (n, file) = item.expect("a value");
                    count += 1;
                    if let Some(file) = file {
                        let mut text = String::new();
                        File::from(std::os::fd::OwnedFd::from(file)).read_to_string(&mut text).expect("it can be read");
                        assert_eq!(text, n.to_string());
                    }
                }
                count
            };
            Process::spawn(run, receiver.clone()).expect("it starts")
        })
        .collect();
    drop(receiver);
    for n in 0..600_usize {
        let file = n.is_multiple_of(3).then(|| {
            let (reader, mut writer) = std::io::pipe().expect("a pipe");
            std::io::Write::write_all(&mut writer, n.to_string().as_bytes()).expect("there is room");
            Descriptor::from(std::os::fd::OwnedFd::from(reader))
        });
        sender.send((n, file)).expect("somebody receives");
    }
    drop(sender);
    assert_eq!(receivers.into_iter().map(|child| child.join().expect("it ends")).sum::<usize>(), 600);
}

#[test]
fn more_descriptors_than_a_socket_holds_count_as_full() {
    let (sender, receiver) = unbounded::<Descriptor>().expect("a queue");
    let mut sent = 0;
    loop {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        match sender.try_send(Descriptor::from(std::os::fd::OwnedFd::from(reader))) {
            Ok(()) => sent += 1,
            Err(TrySendError::Full(_)) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(sent > 10);
    (0..sent).for_each(|_| drop(receiver.try_recv().expect("it was sent")));
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
}

/// Parts of many sizes in one value: large blocks among small ones, one of them in the middle of a message that has grown already.
type Parts = (u32, String, Vec<String>, Option<Descriptor>, String, Vec<u64>);

fn parts(sizes: [usize; 5]) -> Parts {
    let [one, two, three, four, numbers] = sizes;
    let paper = Descriptor::from(std::os::fd::OwnedFd::from(std::io::pipe().expect("a pipe").0));
    let texts = vec!["b".repeat(two), "c".repeat(three), String::new()];
    (7, "a".repeat(one), texts, Some(paper), "d".repeat(four), (0..numbers as u64).collect())
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Letter {
    number: u32,
    text: String,
    copies: Vec<Letter>,
    signature: String,
}

/// What stands before the fields of a struct is written last, when the large ones lie elsewhere already.
#[test]
fn structs_with_large_fields_arrive_whole() {
    let (sender, receiver) = unbounded::<Letter>().expect("a queue");
    let letter = |text: usize, signature: usize, copies| Letter {
        number: 7,
        text: "a".repeat(text),
        copies,
        signature: "b".repeat(signature),
    };
    for (text, signature) in [(0, 100_000), (100_000, 0), (100_000, 300_000)] {
        let copy = letter(signature, text, Vec::new());
        let sent = letter(text, signature, vec![copy.clone(), copy]);
        sender.send(sent.clone()).expect("there is memory");
        assert!(receiver.recv().expect("it was sent") == sent, "{text} {signature}");
    }
}

#[test]
fn values_with_large_parts_arrive_whole() {
    let (sender, receiver) = unbounded::<Parts>().expect("a queue");
    const EDGE: usize = 64 << 10;
    let sizes = [0, 1, 20_000, EDGE - 1, EDGE, EDGE + 1, 200_000, 1_000_003];
    for n in 0..40 {
        let size = |step: usize| sizes[(n * step + step) % sizes.len()];
        let sizes = [size(1), size(3), size(5), size(7), n * 500];
        sender.send(parts(sizes)).expect("there is memory");
        let (before, wanted) = (receiver.recv().expect("it was sent"), parts(sizes));
        assert!(before.3.is_some());
        assert!(
            (before.0, before.1, before.2, before.4, before.5) == (wanted.0, wanted.1, wanted.2, wanted.4, wanted.5),
            "{sizes:?}"
        );
    }
}

#[test]
fn sending_without_a_limit_never_waits_for_descriptors_either() {
    let (sender, receiver) = unbounded::<Descriptor>().expect("a queue");
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let one = || Descriptor::from(std::os::fd::OwnedFd::from(reader.try_clone().expect("a duplicate")));
    let mut sends = (0..100_000).map(|sent| (sent, sender.send(one())));
    let (sent, refused) = sends.find(|(_, sent)| sent.is_err()).expect("the kernel has a limit");
    let procession_channels::SendError::Failed(_, error) = refused.expect_err("it was found so") else {
        panic!("the receiver is there")
    };
    assert!(error.to_string().contains("receive some first"), "{error}");
    (0..sent).for_each(|_| drop(receiver.try_recv().expect("it was sent")));
    sender.send(one()).expect("there is room again");
}

/// Takes what there is until it fails, under a limit of address space, and says how it failed, and how many bytes came before.
fn receive_in_little_space(receiver: Receiver<String>) -> (usize, String) {
    use nix::sys::resource::{Resource, setrlimit};

    let pages = std::fs::read_to_string("/proc/self/statm").expect("it is there");
    let used = pages.split(' ').next().and_then(|pages| pages.parse::<u64>().ok()).expect("a number") * 4096;
    setrlimit(Resource::RLIMIT_AS, used + (40 << 20), used + (40 << 20)).expect("it can be lowered");
    let mut bytes = 0;
    loop {
        match receiver.recv() {
            Ok(text) => bytes += text.len(),
            Err(error) => return (bytes, error.to_string()),
        }
    }
}

#[test]
fn a_limit_of_address_space_is_not_taken_for_damage() {
    let (sender, receiver) = unbounded::<String>().expect("a queue");
    for _ in 0..300 {
        sender.send("a".repeat(200_000)).expect("there is memory");
    }
    let child = procession_process::Process::spawn(receive_in_little_space, receiver.clone()).expect("it starts");
    let (bytes, error) = child.join().expect("it ends");
    assert!(error.contains("memory") && !error.contains("somebody else"), "{error}");
    // What it could not map is still there, and nothing came without its bytes.
    assert_eq!(receiver.try_iter().map(|text| text.expect("it is whole").len()).sum::<usize>() + bytes, 60_000_000);
}

#[test]
fn what_cannot_be_decoded_is_one_error_and_the_queue_goes_on() {
    let (sender, receiver) = queue::<u8>(10).expect("a queue");
    let ends = procession_core::codec::encode(&receiver).expect("it can be sent");
    let other: Receiver<std::num::NonZeroU8> = procession_core::codec::decode(ends).expect("it arrives");
    for n in [1, 0, 2] {
        sender.send(n).expect("there is room");
    }
    assert_eq!(other.recv().expect("not zero").get(), 1);
    assert!(matches!(other.recv(), Err(RecvError::Failed(error)) if error.is_decode()));
    assert_eq!(other.recv().expect("not zero").get(), 2);
    for n in [1, 0, 2] {
        sender.send(n).expect("there is room");
    }
    let error = other.recv_many(10).expect_err("one of them is zero");
    assert_eq!(error.received.iter().map(|n| n.get()).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn limits_and_ends_are_told() {
    assert!(queue::<u8>(0).is_err());
    let (sender, receiver) = queue::<u8>(2).expect("a queue");
    assert_eq!((sender.capacity(), receiver.capacity()), (Some(2), Some(2)));
    sender.send(1).expect("there is room");
    sender.send(2).expect("there is room");
    assert!(sender.is_full() && receiver.is_full());
    assert!(matches!(sender.try_send(3), Err(TrySendError::Full(3))));
    assert!(sender.send_timeout(3, Duration::from_millis(20)).is_err());
    assert_eq!(receiver.try_iter().map(|value| value.expect("a value")).collect::<Vec<_>>(), [1, 2]);
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
    let another = receiver.clone();
    drop(receiver);
    sender.send(4).expect("one receiver is left");
    drop(another);
    assert!(matches!(sender.send(5), Err(SendError::Disconnected(5))));
    assert!(matches!(sender.try_send(5), Err(TrySendError::Disconnected(5))));
}

#[test]
fn a_deep_queue_gives_its_memory_back() {
    let (sender, receiver) = unbounded::<[f64; 8]>().expect("a queue");
    let before = shared_memory();
    sender.send_many((0..1_000_000).map(|n| [f64::from(n); 8])).expect("there is memory");
    let deep = shared_memory();
    assert!(deep > before + (60 << 20), "{before} {deep}");
    for n in 0..1_000_000 {
        assert_eq!(receiver.recv().expect("it was sent")[7], f64::from(n));
    }
    // Pages that are mapped are counted while they exist, so those given back are not.
    let after = shared_memory();
    assert!(after < before + (deep - before) / 2, "{before} {deep} {after}");
}

/// How much shared memory this process has mapped and touched, in bytes. Other tests of this process may use some as well.
fn shared_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("the kernel tells");
    let line = text.lines().find_map(|line| line.strip_prefix("RssShmem:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}
