//! Strangers at the door (P-39): a good client is served meanwhile, and what they cost is bounded.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use procession_channels::{Address, Client, HandshakeError, Listener, SocketConnection};
use procession_core::codec::Descriptor;
use procession_process::Process;

use crate::support::{FOREVER, KEY, accepted, any_port, anywhere, connected, until_refused};

fn port(listener: &Listener) -> std::net::SocketAddr {
    let Address::Tcp(address) = *listener.address() else { panic!("a port") };
    address
}

/// Opens many connections, says nothing on any, and tells through the pipe when they stand; keeps them until the other pipe ends.
fn stand_silent((address, count, ready, end): (String, usize, Descriptor, Descriptor)) {
    let address: std::net::SocketAddr = address.parse().unwrap();
    let _silent: Vec<TcpStream> = (0..count).map(|_| TcpStream::connect(address).unwrap()).collect();
    File::from(OwnedFd::from(ready)).write_all(b"!").unwrap();
    let _ended = File::from(OwnedFd::from(end)).read(&mut [0; 1]);
}

#[test]
fn a_thousand_silent_strangers_keep_nobody_waiting() {
    const PENDING: usize = 32;
    let listener = Listener::builder().key(KEY).max_pending(PENDING).bind(any_port()).unwrap();
    let (mut ready, told) = std::io::pipe().unwrap();
    let (end, ending) = std::io::pipe().unwrap();
    let side = |end: &dyn Fn() -> OwnedFd| Descriptor::from(end());
    let strangers: Vec<_> = (0..4)
        .map(|_| {
            let told = side(&|| told.try_clone().unwrap().into());
            let end = side(&|| end.try_clone().unwrap().into());
            Process::spawn(stand_silent, (listener.address().to_string(), 250, told, end)).unwrap()
        })
        .collect();
    ready.read_exact(&mut [0; 4]).unwrap();
    for n in 0..5u8 {
        std::thread::scope(|s| {
            s.spawn(|| Client::connect(listener.address(), KEY).unwrap().send_bytes(&[n]).unwrap());
            assert_eq!(accepted(&listener).recv_bytes().unwrap(), [n]);
        });
    }
    // All but those who may wait were dropped: their descriptors and their memory are free.
    until_refused(&listener, 1000 - PENDING as u64);
    let refusals = listener.take_refusals();
    assert_eq!(refusals.len(), 64, "what is remembered is bounded too");
    assert!(refusals.iter().all(|one| matches!(one.error, HandshakeError::Crowded)));
    drop(ending);
    for stranger in strangers {
        stranger.join().unwrap();
    }
}

#[test]
fn silence_ends_at_its_deadline() {
    let listener = Listener::builder().key(KEY).handshake_timeout(Duration::from_millis(10)).bind(any_port()).unwrap();
    let mut silent = TcpStream::connect(port(&listener)).unwrap();
    let mut hesitant = TcpStream::connect(port(&listener)).unwrap();
    hesitant.write_all(&[0, 0, 0]).unwrap();
    until_refused(&listener, 2);
    let refusals = listener.take_refusals();
    assert!(refusals.iter().all(|one| matches!(one.error, HandshakeError::TimedOut)), "{refusals:?}");
    // Both hear the challenge, and then the end.
    silent.read_to_end(&mut Vec::new()).unwrap();
    let _reset_or_end = hesitant.read_to_end(&mut Vec::new());
}

#[test]
fn those_who_drip_are_dropped_while_others_are_served() {
    let listener = Listener::builder().key(KEY).handshake_timeout(Duration::from_millis(50)).bind(any_port()).unwrap();
    let address = port(&listener);
    std::thread::scope(|s| {
        for _ in 0..8 {
            s.spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(&[0, 0, 1, 0]).unwrap();
                // A byte at a time, for as long as anybody listens: a whole message would take 256.
                while stream.write_all(b"{").is_ok() {
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
        }
        for n in 0..10u8 {
            s.spawn(move || {
                let builder = Client::builder().key(KEY).handshake_timeout(FOREVER);
                let exchange = || {
                    let client = builder.clone().connect(address).ok()?;
                    client.send_bytes(&[n]).ok()?;
                    client.recv_bytes().ok()
                };
                // On a busy machine a good client may miss so short a deadline too, and tries again.
                let thanks = std::iter::repeat_with(exchange).find_map(|thanks| thanks).unwrap();
                assert_eq!(thanks, b"thanks");
            });
        }
        let serve = |_| {
            let client = accepted(&listener);
            client.send_bytes(b"thanks").unwrap();
            client.recv_bytes().unwrap()[0]
        };
        let mut served: Vec<u8> = (0..10).map(serve).collect();
        served.sort_unstable();
        assert_eq!(served, Vec::from_iter(0..10));
        until_refused(&listener, 8);
    });
}

#[test]
fn whatever_strangers_send_is_refused_with_its_reason() {
    let listener = Listener::bind(any_port(), KEY).unwrap();
    let framed = |message: &[u8]| [&(message.len() as u32).to_be_bytes(), message].concat();
    let exabytes = [&[0xff; 4][..], &(1u64 << 63).to_be_bytes()].concat();
    let malformed: [Vec<u8>; 6] = [
        exabytes,
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        (-2i32).to_be_bytes().to_vec(),
        framed(&[7; 257]),
        framed(b""),
        framed(b"{sha1}01234567890123456789"),
    ];
    for (count, bytes) in (1..).zip(malformed) {
        let mut stranger = TcpStream::connect(port(&listener)).unwrap();
        stranger.write_all(&bytes).unwrap();
        until_refused(&listener, count);
        let refusal = listener.take_refusals().pop().unwrap();
        assert!(matches!(refusal.error, HandshakeError::Malformed { .. }), "{bytes:?}: {refusal:?}");
        assert_eq!(refusal.peer, Some(stranger.local_addr().unwrap().into()));
    }
    connected(&listener);
}

#[test]
fn wrong_answers_are_told_and_counted() {
    let listener = Listener::bind(anywhere(), KEY).unwrap();
    let answers: [&[u8]; 4] =
        [&[0; 16], &[0; 20], &[b"{md5}", &[0; 16][..]].concat(), &[b"{sha256}", &[0; 32][..]].concat()];
    for (count, answer) in (1..).zip(answers) {
        let stranger = Client::builder().without_key().connect(listener.address()).unwrap();
        stranger.send_bytes(answer).unwrap();
        until_refused(&listener, count);
        let error = listener.take_refusals().pop().unwrap().error;
        assert!(matches!(error, HandshakeError::Legacy) == (count < 4), "{error}");
        assert!(matches!(error, HandshakeError::WrongKey) == (count == 4), "{error}");
        assert!(stranger.recv_bytes().unwrap().starts_with(b"#CHALLENGE#{sha256}"));
        assert_eq!(stranger.recv_bytes().unwrap(), b"#FAILURE#");
        assert!(stranger.recv_bytes().is_err());
    }
}

#[test]
fn those_who_leave_at_once_are_forgotten() {
    let listener = Listener::bind(any_port(), KEY).unwrap();
    for _ in 0..50 {
        drop(TcpStream::connect(port(&listener)).unwrap());
    }
    until_refused(&listener, 50);
    assert!(listener.take_refusals().iter().all(|one| matches!(one.error, HandshakeError::Closed)));
    connected(&listener);
}

#[test]
fn a_hostile_listener_cannot_hold_a_client() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let openings: [&[u8]; 5] = [
        b"",
        b"#WELCOME#",
        b"#CHALLENGE#short",
        b"#CHALLENGE#{sha1}0123456789012345678901234567890123456789",
        &[7; 300],
    ];
    for opening in openings {
        std::thread::scope(|s| {
            let client = s.spawn(move || Client::connect(address, KEY));
            let server = SocketConnection::from(listener.accept().unwrap().0);
            server.send_bytes(opening).unwrap();
            let error = client.join().unwrap().unwrap_err().to_string();
            assert!(error.contains("does it use a key, and speak this protocol"), "{error}");
        });
    }
}

#[test]
fn a_listener_without_descriptors_says_so_and_serves_later() {
    // In a process of its own, whose limit is its own.
    fn crowded((): ()) {
        let listener = Listener::bind("@".parse::<Address>().unwrap(), "the key").unwrap();
        let open = Listener::builder().without_key().bind("@".parse::<Address>().unwrap()).unwrap();
        let knock = |listener: &Listener| {
            let name = listener.address().to_string();
            let name = SocketAddr::from_abstract_name(name.trim_start_matches('@')).unwrap();
            UnixStream::connect_addr(&name).unwrap()
        };
        let (early, waiting) = (knock(&listener), knock(&open));
        setrlimit(Resource::RLIMIT_NOFILE, 64, 64).unwrap();
        let hoard: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        for listener in [&listener, &open] {
            let error = listener.accept_timeout(Duration::from_secs(30)).unwrap_err();
            assert!(error.to_string().contains("RLIMIT_NOFILE = 64"), "{error}");
        }
        drop((hoard, early));
        // Who had called meanwhile is served, and who calls now.
        assert!(open.accept_timeout(Duration::from_secs(30)).unwrap().is_some());
        drop(waiting);
        let address = listener.address().clone();
        let client = std::thread::spawn(move || Client::connect(address, "the key").unwrap().recv_bytes().unwrap());
        listener.accept().unwrap().send_bytes(b"welcome").unwrap();
        assert_eq!(client.join().unwrap(), b"welcome");
    }
    Process::spawn(crowded, ()).unwrap().join().unwrap();
}
