//! `wait` over whatever can be waited for.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::time::Duration;

use procession_channels::{
    Address, Client, Connection, Listener, Sender, SocketConnection, Waitable, joinable, one_way, pipe, queue,
    unbounded, wait,
};
use procession_process::Process;

/// Longer than any machine takes.
const FOREVER: Duration = Duration::from_secs(120);

#[test]
fn nothing_to_wait_for_is_over_at_once() {
    assert!(wait(&[], None).unwrap().is_empty());
}

#[test]
fn each_kind_shows_when_it_is_ready_and_not_before() {
    let (queue_in, queue_out) = queue(3).unwrap();
    let (tasks_in, tasks_out) = joinable(3).unwrap();
    let (way_out, way_in) = one_way().unwrap();
    let (left, right) = pipe::<u8, u8>().unwrap();
    let (socket, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let (socket, far) = (SocketConnection::from(socket), SocketConnection::from(far));
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let things: [&dyn Waitable; 7] = [&queue_out, &tasks_out, &way_out, &right, &socket, &tcp, &reader];
    assert!(wait(&things, Duration::from_millis(1)).unwrap().is_empty());
    let mut expected = Vec::new();
    let mut check = |place| {
        expected.push(place);
        assert_eq!(wait(&things, FOREVER).unwrap(), expected);
        assert_eq!(wait(&[things[place]], None).unwrap(), [0]);
    };
    queue_in.send(1_u8).unwrap();
    check(0);
    tasks_in.send(1_u8).unwrap();
    check(1);
    way_in.send(1_u8).unwrap();
    check(2);
    left.send(1).unwrap();
    check(3);
    far.send_bytes(b"1").unwrap();
    check(4);
    let _caller = std::net::TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
    check(5);
    writer.write_all(b"1").unwrap();
    check(6);
    assert_eq!((queue_out.recv().unwrap(), way_out.recv().unwrap(), right.recv().unwrap()), (1, 1, 1));
    assert_eq!((*tasks_out.recv().unwrap(), socket.recv_bytes().unwrap()), (1, b"1".to_vec()));
    { &reader }.read_exact(&mut [0]).unwrap();
    drop(tcp.accept().unwrap());
    assert!(wait(&things, Duration::from_millis(1)).unwrap().is_empty());
}

#[test]
fn the_end_of_the_other_side_counts() {
    let (queue_in, queue_out) = unbounded::<u8>().unwrap();
    let (left, right) = pipe::<u8, u8>().unwrap();
    let child = Process::spawn(hold, (queue_in, left)).unwrap();
    assert!(wait(&[&queue_out, &right, &child], Duration::from_millis(1)).unwrap().is_empty());
    child.kill();
    for place in 0..3 {
        let things: [&dyn Waitable; 3] = [&queue_out, &right, &child];
        assert_eq!(wait(&[things[place]], FOREVER).unwrap(), [0], "thing {place}");
    }
    child.join().unwrap_err();
}

fn hold(_ends: (Sender<u8>, Connection<u8, u8>)) {
    loop {
        std::thread::park();
    }
}

#[test]
fn one_that_becomes_ready_later_wakes_the_waiter() {
    let (sender, receiver) = queue(1).unwrap();
    let (_left, right) = pipe::<u8, u8>().unwrap();
    for round in 0..200_u32 {
        std::thread::scope(|s| {
            s.spawn(|| sender.send(round).unwrap());
            assert_eq!(wait(&[&right, &receiver], FOREVER).unwrap(), [1]);
        });
        assert_eq!(receiver.recv().unwrap(), round);
    }
}

#[test]
fn a_listener_shows_that_somebody_knocks() {
    let listener = Listener::bind("@".parse::<Address>().unwrap(), "key").unwrap();
    let address = listener.address().clone();
    let client = std::thread::spawn(move || Client::connect(address, "key").unwrap());
    let connection = loop {
        assert_eq!(wait(&[&listener], FOREVER).unwrap(), [0]);
        if let Some(connection) = listener.accept_timeout(Duration::ZERO).unwrap() {
            break connection;
        }
    };
    client.join().unwrap().send(&5_u8).unwrap();
    assert_eq!(wait(&[&listener, &connection], FOREVER).unwrap(), [1]);
}

#[test]
fn thousands_at_once() {
    const PIPES: usize = 2_000;
    let pipes: Vec<_> = (0..PIPES).map(|_| std::io::pipe().expect("raise the limit on descriptors to 8,192")).collect();
    let (sender, receiver) = queue(1).unwrap();
    let borrowed: Vec<_> = pipes.iter().map(|(reader, _)| reader.as_fd()).collect();
    let mut things: Vec<&dyn Waitable> = borrowed.iter().map(|one| one as &dyn Waitable).collect();
    things.push(&receiver);
    assert!(wait(&things, Duration::from_millis(1)).unwrap().is_empty());
    for place in [0, 7, 1_999] {
        { &pipes[place].1 }.write_all(b"!").unwrap();
    }
    sender.send(1_u8).unwrap();
    assert_eq!(wait(&things, None).unwrap(), [0, 7, 1_999, PIPES]);
}

#[test]
fn with_nothing_to_wait_for_the_time_passes_all_the_same() {
    let begin = std::time::Instant::now();
    assert!(wait(&[], Duration::from_millis(30)).expect("nothing can fail").is_empty());
    assert!(begin.elapsed() >= Duration::from_millis(30));
    assert!(wait(&[], None).expect("it would wait for ever").is_empty());
}
