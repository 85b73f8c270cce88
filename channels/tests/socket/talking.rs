//! Messages between two of ours: bytes and values, timeouts, ends, several threads.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use procession_channels::{
    BindError, Client, ConnectError, HandshakeError, Listener, SocketConnection, SocketRecvError, SocketSendError,
};
use procession_core::codec::Descriptor;

use crate::support::{FOREVER, KEY, accepted, any_port, anywhere, connected, pattern, until_refused};

fn pair() -> (SocketConnection, SocketConnection) {
    let (here, there) = UnixStream::pair().unwrap();
    (here.into(), there.into())
}

fn half() -> (SocketConnection, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    (here.into(), there)
}

#[test]
fn every_size_arrives_over_every_kind_of_socket() {
    let folder = tempfile::tempdir().unwrap();
    for address in [anywhere(), any_port(), folder.path().join("socket").into()] {
        let listener = Listener::bind(address, KEY).unwrap();
        let (server, client) = connected(&listener);
        let mut buffer = Vec::new();
        for size in [0, 1, 4, 255, 256, 16_384, 16_385, 65_536, 65_537, 1 << 20, 5 << 20] {
            std::thread::scope(|s| {
                s.spawn(|| client.send_bytes(&pattern(size)).unwrap());
                assert_eq!(server.recv_bytes_into(&mut buffer).unwrap(), size);
            });
            assert!(buffer == pattern(size), "{size} bytes");
        }
    }
}

#[test]
fn values_travel_both_ways() {
    let listener = Listener::bind(anywhere(), KEY).unwrap();
    let (server, client) = connected(&listener);
    let map = BTreeMap::from([("one".to_owned(), vec![1u64]), ("none".to_owned(), vec![])]);
    client.send(&map).unwrap();
    assert_eq!(server.recv::<BTreeMap<String, Vec<u64>>>().unwrap(), map);
    server.send_timeout("text", FOREVER).unwrap();
    assert_eq!(client.recv_timeout::<String>(FOREVER).unwrap(), "text");
}

#[test]
fn what_cannot_be_decoded_costs_one_message() {
    let (here, there) = pair();
    here.send(&7u8).unwrap();
    here.send("next").unwrap();
    assert!(matches!(there.recv::<Vec<String>>(), Err(SocketRecvError::Decode(_))));
    assert_eq!(there.recv::<String>().unwrap(), "next");
}

#[test]
fn descriptors_do_not_travel_to_strangers() {
    let (here, there) = pair();
    let descriptor = Descriptor::from(OwnedFd::from(std::fs::File::open("/dev/null").unwrap()));
    let error = here.send(&descriptor).unwrap_err();
    assert!(matches!(error, SocketSendError::Descriptors(1)), "{error}");
    here.send_bytes(b"still fine").unwrap();
    assert_eq!(there.recv_bytes().unwrap(), b"still fine");
}

#[test]
fn what_was_sent_before_the_end_arrives() {
    let (here, there) = pair();
    here.send_bytes(b"last words").unwrap();
    drop(here);
    assert_eq!(there.recv_bytes().unwrap(), b"last words");
    for _ in 0..2 {
        assert!(there.poll(Duration::ZERO).unwrap());
        assert!(matches!(there.recv_bytes(), Err(SocketRecvError::Disconnected)));
    }
    assert!(matches!(there.send_bytes(b"hello?"), Err(SocketSendError::Disconnected)));
}

#[test]
fn a_peer_that_left_unread_messages_is_told_from_one_that_read_all() {
    let (here, there) = pair();
    here.send_bytes(b"unread").unwrap();
    drop(there);
    assert!(matches!(here.recv_bytes(), Err(SocketRecvError::Reset)));
}

#[test]
fn a_cut_is_no_end() {
    for cut in [&[0, 0][..], &[0, 0, 0, 2], &[0, 0, 0, 2, 7], &[0xff; 5]] {
        let (here, mut there) = half();
        there.write_all(cut).unwrap();
        drop(there);
        for _ in 0..2 {
            assert!(matches!(here.recv_bytes(), Err(SocketRecvError::Truncated)), "{cut:?}");
        }
    }
}

#[test]
fn nonsense_is_refused_for_good() {
    let (here, mut there) = half();
    there.write_all(&(-2i32).to_be_bytes()).unwrap();
    there.write_all(&[0, 0, 0, 1, 7]).unwrap();
    for _ in 0..2 {
        assert!(matches!(here.recv_bytes(), Err(SocketRecvError::Malformed { length: -2 })));
    }
    here.send_bytes(b"x").unwrap();
}

#[test]
fn a_promise_of_exabytes_is_refused_at_once() {
    let (here, mut there) = half();
    there.write_all(&[0xff; 4]).unwrap();
    there.write_all(&(1u64 << 63).to_be_bytes()).unwrap();
    assert!(matches!(here.recv_bytes(), Err(SocketRecvError::TooLong { len: 0x8000_0000_0000_0000, .. })));
}

#[test]
fn the_long_form_is_read_for_every_length() {
    let (here, mut there) = half();
    for size in [0usize, 5, 20_000] {
        there.write_all(&[0xff; 4]).unwrap();
        there.write_all(&(size as u64).to_be_bytes()).unwrap();
        there.write_all(&pattern(size)).unwrap();
        assert!(here.recv_bytes().unwrap() == pattern(size));
    }
}

#[test]
fn a_timeout_in_the_middle_keeps_what_has_arrived() {
    let (here, mut there) = half();
    let soon = Duration::from_millis(1);
    for piece in [&[0, 0][..], &[0, 5, b'h', b'e'], b"l"] {
        there.write_all(piece).unwrap();
        assert!(matches!(here.recv_bytes_timeout(soon), Err(SocketRecvError::TimedOut)));
        assert!(here.poll(Duration::ZERO).unwrap(), "a part counts");
    }
    there.write_all(b"lo").unwrap();
    assert_eq!(here.recv_bytes_timeout(FOREVER).unwrap(), b"hello");
    assert!(!here.poll(Duration::ZERO).unwrap());
}

#[test]
fn a_message_cut_off_by_its_timeout_ends_the_way_out_and_only_that() {
    let (here, there) = pair();
    let much = vec![0; 16 << 20];
    let soon = Duration::from_millis(1);
    assert!(matches!(here.send_bytes_timeout(&much, soon), Err(SocketSendError::CutOff)));
    assert!(matches!(here.send_bytes(b"x"), Err(SocketSendError::CutOff)));
    assert!(matches!(there.recv_bytes(), Err(SocketRecvError::Truncated)));
    there.send_bytes(b"I heard half of it").unwrap();
    assert_eq!(here.recv_bytes().unwrap(), b"I heard half of it");
}

#[test]
fn a_full_connection_can_be_tried_again() {
    let (here, there) = pair();
    let message = [7; 100];
    let mut sent = 0;
    let error = loop {
        match here.send_bytes_timeout(&message, Duration::ZERO) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    // A Unix socket takes a small message whole or not at all.
    assert!(matches!(error, SocketSendError::TimedOut), "{error}");
    for _ in 0..sent {
        assert_eq!(there.recv_bytes_timeout(FOREVER).unwrap(), message);
    }
    here.send_bytes_timeout(b"again", FOREVER).unwrap();
    assert_eq!(there.recv_bytes_timeout(FOREVER).unwrap(), b"again");
}

#[test]
fn a_timeout_holds_while_another_thread_waits() {
    let (here, there) = pair();
    std::thread::scope(|s| {
        let waiting = s.spawn(|| here.recv_bytes().unwrap());
        let result = here.recv_bytes_timeout(Duration::from_millis(20));
        // Whichever of the two was first, nothing has been sent yet.
        assert!(matches!(result, Err(SocketRecvError::TimedOut)));
        there.send_bytes(b"now").unwrap();
        assert_eq!(waiting.join().unwrap(), b"now");
    });
}

#[test]
fn threads_share_a_connection_without_mixing_messages() {
    const EACH: usize = 200;
    let listener = Listener::bind(any_port(), KEY).unwrap();
    let (server, client) = connected(&listener);
    let mut got: Vec<Vec<u8>> = std::thread::scope(|s| {
        for thread in 0..4u8 {
            let client = &client;
            s.spawn(move || {
                for n in 0..EACH {
                    client.send_bytes(&vec![thread; 1 + (n * 997) % 50_000]).unwrap();
                }
            });
        }
        let take = || (0..2 * EACH).map(|_| server.recv_bytes().unwrap()).collect::<Vec<_>>();
        let takers = [s.spawn(take), s.spawn(take)];
        takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect()
    });
    assert!(got.iter().all(|message| message.iter().all(|byte| *byte == message[0])));
    let mut expected: Vec<Vec<u8>> =
        (0..4u8).flat_map(|thread| (0..EACH).map(move |n| vec![thread; 1 + (n * 997) % 50_000])).collect();
    got.sort();
    expected.sort();
    assert!(got == expected);
}

#[test]
fn keys_that_differ_let_nobody_in_and_do_not_end_the_listener() {
    let listener = Listener::bind(anywhere(), KEY).unwrap();
    std::thread::scope(|s| {
        let stranger = s.spawn(|| Client::connect(listener.address(), "sawfish").unwrap_err());
        until_refused(&listener, 1);
        let error = stranger.join().unwrap();
        assert!(matches!(error, ConnectError::Handshake { source: HandshakeError::Rejected, .. }), "{error}");
    });
    let refusals = listener.take_refusals();
    assert!(matches!(refusals[..], [ref one] if matches!(one.error, HandshakeError::WrongKey)), "{refusals:?}");
    connected(&listener);
}

#[test]
fn a_client_notices_a_listener_that_only_pretends_to_know_the_key() {
    let pretender = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = pretender.local_addr().unwrap();
    std::thread::scope(|s| {
        let client = s.spawn(move || Client::connect(address, KEY).unwrap_err());
        let pretender = SocketConnection::from(pretender.accept().unwrap().0);
        pretender.send_bytes(&[&b"#CHALLENGE#{sha256}"[..], &[1; 40]].concat()).unwrap();
        assert!(pretender.recv_bytes().unwrap().starts_with(b"{sha256}"));
        pretender.send_bytes(b"#WELCOME#").unwrap();
        assert!(pretender.recv_bytes().unwrap().starts_with(b"#CHALLENGE#{sha256}"));
        pretender.send_bytes(&[&b"{sha256}"[..], &[1; 32]].concat()).unwrap();
        assert_eq!(pretender.recv_bytes().unwrap(), b"#FAILURE#");
        let error = client.join().unwrap();
        assert!(matches!(error, ConnectError::Handshake { source: HandshakeError::WrongKey, .. }), "{error}");
    });
}

#[test]
fn empty_and_missing_keys_are_refused_on_both_sides() {
    assert!(matches!(Listener::bind(anywhere(), ""), Err(BindError::EmptyKey)));
    assert!(matches!(Listener::builder().bind(anywhere()), Err(BindError::NoKey)));
    let nobody: procession_channels::Address = "@nobody".parse().unwrap();
    assert!(matches!(Client::connect(&nobody, []), Err(ConnectError::EmptyKey)));
    assert!(matches!(Client::builder().connect(&nobody), Err(ConnectError::NoKey)));
}

#[test]
fn a_key_does_not_show_in_debug() {
    let listener = Listener::builder().key("hunter2");
    let client = Client::builder().key("hunter2");
    let bound = listener.clone().bind(anywhere()).unwrap();
    assert!(!format!("{listener:?} {client:?} {bound:?}").contains("hunter2"));
    assert!(!format!("{bound:?}").contains(&format!("{:?}", b"hunter2")));
}

#[test]
fn a_silent_listener_times_the_client_out() {
    // Without a key it never begins a handshake.
    let listener = Listener::builder().without_key().bind(anywhere()).unwrap();
    let builder = Client::builder().key(KEY).handshake_timeout(Duration::from_millis(10));
    let error = builder.connect(listener.address()).unwrap_err();
    assert!(matches!(error, ConnectError::Handshake { source: HandshakeError::TimedOut, .. }), "{error}");
}

#[test]
fn several_threads_accept() {
    let listener = Listener::bind(any_port(), KEY).unwrap();
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for _ in 0..5 {
                    let connection = accepted(&listener);
                    connection.send_bytes(&connection.recv_bytes().unwrap()).unwrap();
                }
            });
        }
        for n in 0..20u8 {
            let listener = &listener;
            s.spawn(move || {
                let client = Client::connect(listener.address(), KEY).unwrap();
                client.send_bytes(&[n]).unwrap();
                assert_eq!(client.recv_bytes_timeout(FOREVER).unwrap(), [n]);
            });
        }
    });
    assert_eq!(listener.refused(), 0);
}
