//! Connections and sockets that are handed to other processes inside messages: the echo server of the classics.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use procession_channels::{Listener, SocketConnection, SocketRecvError};
use procession_core::codec::{self, Descriptor, decode, encode};
use procession_process::{Process, StartMethod};
use serde::{Deserialize, Serialize};

use crate::support::{FOREVER, KEY, any_port, anywhere, connected, pattern};

const METHODS: [StartMethod; 2] = [StartMethod::Server, StartMethod::Spawn];

/// Answers every message with itself and the number of the process, and says at the end how many there were.
fn echo(connection: SocketConnection) -> u32 {
    let mut count = 0;
    loop {
        match connection.recv_bytes() {
            Ok(bytes) => connection.send_bytes(&bytes).unwrap(),
            Err(SocketRecvError::Disconnected) => return count,
            Err(error) => panic!("{error}"),
        }
        count += 1;
    }
}

#[test]
fn an_accepted_connection_is_served_by_a_child() {
    for (method, address) in METHODS.into_iter().zip([anywhere(), any_port()]) {
        let listener = Listener::builder().key(KEY).max_message(1 << 20).bind(address).unwrap();
        let (server, client) = connected(&listener);
        let child = Process::builder().start_method(method).spawn(echo, server).unwrap();
        for size in [0, 1, 100_000, 1 << 20] {
            client.send_bytes(&pattern(size)).unwrap();
            assert!(client.recv_bytes_timeout(FOREVER).unwrap() == pattern(size), "{size} bytes");
        }
        drop(client);
        assert_eq!(child.join().unwrap(), 4, "{method:?}");
    }
}

#[test]
fn a_child_connects_and_hands_the_connection_back() {
    fn connect(address: String) -> SocketConnection {
        let address: procession_channels::Address = address.parse().unwrap();
        procession_channels::Client::connect(address, KEY).unwrap()
    }
    let listener = Listener::bind(any_port(), KEY).unwrap();
    let child = Process::spawn(connect, listener.address().to_string()).unwrap();
    let server = crate::support::accepted(&listener);
    let client = child.join().unwrap();
    server.send_bytes(b"from one to the same").unwrap();
    assert_eq!(client.recv_bytes_timeout(FOREVER).unwrap(), b"from one to the same");
}

#[test]
fn the_maximum_travels_along() {
    let (here, there) = UnixStream::pair().unwrap();
    let (here, there) = (SocketConnection::from(here), SocketConnection::from(there).with_max_message(3));
    let there: SocketConnection = decode(encode(&there).unwrap()).unwrap();
    here.send_bytes(b"four").unwrap();
    assert!(matches!(there.recv_bytes(), Err(SocketRecvError::TooLong { len: 4, max: 3 })));
}

#[test]
fn a_connection_travels_between_messages_only() {
    let (here, mut there) = UnixStream::pair().unwrap();
    let here = SocketConnection::from(here);
    there.write_all(&[0, 0]).unwrap();
    assert!(matches!(here.recv_bytes_timeout(std::time::Duration::ZERO), Err(SocketRecvError::TimedOut)));
    let error = encode(&here).unwrap_err();
    assert!(error.message().contains("has arrived in part"), "{error}");
    there.write_all(&[0, 1, 7]).unwrap();
    assert_eq!(here.recv_bytes().unwrap(), [7]);
    assert!(encode(&here).is_ok());
}

#[test]
fn a_connection_is_no_json_and_no_file() {
    let (here, _there) = UnixStream::pair().unwrap();
    assert!(serde_json::to_string(&SocketConnection::from(here)).is_err());

    let file = Descriptor::from(OwnedFd::from(std::fs::File::open("/dev/null").unwrap()));
    let error = decode::<SocketConnection>(encode(&(file, 7usize)).unwrap()).unwrap_err();
    assert!(error.message().contains("no stream socket"), "{error}");
}

/// A job for the echo server: a socket of std as a field.
#[derive(Serialize, Deserialize)]
struct Visitor {
    number: u32,
    #[serde(with = "procession_core::codec::fd")]
    stream: TcpStream,
}

#[test]
fn the_echo_server_of_the_classics() {
    fn serve(mut visitor: Visitor) -> u32 {
        let mut text = String::new();
        visitor.stream.read_to_string(&mut text).unwrap();
        write!(visitor.stream, "{}: {text}", visitor.number).unwrap();
        visitor.number
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for (number, method) in (0..).zip(METHODS) {
        let mut client = TcpStream::connect(address).unwrap();
        let visitor = Visitor { number, stream: listener.accept().unwrap().0 };
        let child = Process::builder().start_method(method).spawn(serve, visitor).unwrap();
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, format!("{number}: hello"));
        assert_eq!(child.join().unwrap(), number);
    }
}

#[test]
fn the_codec_carries_every_kind_of_socket() {
    #[derive(Serialize, Deserialize)]
    struct Sockets {
        #[serde(with = "codec::fd")]
        tcp: TcpListener,
        #[serde(with = "codec::fd")]
        unix: UnixStream,
        #[serde(with = "codec::fd")]
        owned: OwnedFd,
        wrapped: Descriptor,
    }
    let (unix, mut other) = UnixStream::pair().unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let (owned, wrapped) = (OwnedFd::from(unix.try_clone().unwrap()), OwnedFd::from(tcp.try_clone().unwrap()));
    let message = encode(&Sockets { tcp, unix, owned, wrapped: wrapped.into() }).unwrap();
    assert_eq!(message.descriptors().len(), 4);
    let sockets: Sockets = decode(message).unwrap();
    assert_eq!(sockets.tcp.local_addr().unwrap(), address);
    { &sockets.unix }.write_all(b"x").unwrap();
    other.read_exact(&mut [0; 1]).unwrap();
    assert!(sockets.owned.as_fd().try_clone_to_owned().is_ok());
    assert_eq!(TcpListener::from(OwnedFd::from(sockets.wrapped)).local_addr().unwrap(), address);
}

#[test]
fn a_connection_becomes_a_stream_again() {
    let (here, mut there) = UnixStream::pair().unwrap();
    let mut stream = UnixStream::from(OwnedFd::from(SocketConnection::from(here)));
    stream.write_all(b"raw").unwrap();
    drop(stream);
    let mut text = String::new();
    there.read_to_string(&mut text).unwrap();
    assert_eq!(text, "raw");
}
