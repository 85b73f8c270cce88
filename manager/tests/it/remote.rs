//! Managers of other programs, over sockets. Here the other program is this one; what is built apart is in `programs`.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use procession_channels::{Address, SocketConnection};
use procession_manager::{CallError, ConnectError, Manager, Registry};

fn registry() -> Registry {
    Registry::new()
        .object("count", |start: u64| start)
        .method("count", "add", |count: &mut u64, by: u64| {
            *count += by;
            *count
        })
        .method("count", "fail", |_: &mut u64, text: String| -> () { panic!("{text}") })
        .reader("count", "get", |count: &u64, (): ()| *count)
        .waiter("count", "reach", |count: &mut u64, least: u64| (*count >= least).then_some(*count))
}

fn local() -> Address {
    "127.0.0.1:0".parse().unwrap()
}

fn port(address: &Address) -> std::net::SocketAddr {
    address.to_string().parse().unwrap()
}

#[test]
fn objects_are_made_and_called_by_name() {
    let manager = Manager::start().unwrap();
    let address = manager.serve(&registry(), local(), b"key").unwrap();
    let remote = Manager::connect(&registry(), address, b"key").unwrap();
    let count = remote.create::<u64, u64>("count", 5).unwrap();
    assert_eq!(count.call::<u64, u64>("add", 3).unwrap(), 8);
    assert_eq!(count.call::<(), u64>("get", ()).unwrap(), 8);
    let late = count.call_timeout::<u64, u64>("reach", 9, Duration::from_millis(20));
    assert!(late.unwrap_err().is_timeout());
    let panic = count.call::<String, ()>("fail", "on purpose".to_owned()).unwrap_err();
    assert_eq!(panic.panic().unwrap().message(), "on purpose");
    assert!(matches!(count.call::<u64, u64>("add", 1), Err(CallError::Poisoned(_))));
    count.clear_poison().unwrap();
    assert_eq!(count.call::<u64, u64>("add", 1).unwrap(), 9);
    drop((count, remote));
    while manager.stats().unwrap().objects > 0 {
        std::thread::yield_now();
    }
}

/// Types of two versions of a program, which have the same names.
macro_rules! version {
    ($($employee:item)*) => {{
        use serde::{Deserialize, Serialize};
        $(#[derive(Serialize, Deserialize)] $employee)*
        Registry::new()
            .object("employee", |employee: Employee| employee)
            .reader("employee", "pay", |employee: &Employee, (): ()| employee.pay)
    }};
}

#[test]
fn another_layout_of_a_type_is_another_registry() {
    let manager = Manager::start().unwrap();
    let old = version! { struct Employee { name: String, pay: u64 } };
    let new = version! { struct Employee { name: String, pay: u64, bonus: Option<u64> } };
    let same = version! { struct Employee { name: String, pay: u64 } };
    let address = manager.serve(&old, local(), b"key").unwrap();
    let error = Manager::connect(&new, &address, b"key").unwrap_err();
    assert!(matches!(error, ConnectError::Schema), "{error}");
    assert!(Manager::connect(&same, &address, b"key").unwrap().is_connected());
}

#[test]
fn over_a_unix_socket_many_calls_are_on_their_way_at_once() {
    let socket = std::env::temp_dir().join(format!("procession-manager-{}", std::process::id()));
    let manager = Manager::start().unwrap();
    let address = manager.serve(&registry(), socket.as_path(), b"key").unwrap();
    let remote = Manager::connect(&registry(), address, b"key").unwrap();
    let count = remote.create::<u64, u64>("count", 0).unwrap();
    let answers: Vec<_> = (0..10_000).map(|_| count.post::<u64, u64>("add", 1).unwrap()).collect();
    for (expected, answer) in (1..).zip(answers) {
        assert_eq!(answer.wait().unwrap(), expected);
    }
    manager.shutdown().unwrap();
    assert!(!socket.exists(), "the socket goes with the manager");
    assert!(matches!(count.call::<u64, u64>("add", 1), Err(CallError::ManagerGone)));
    assert!(!remote.is_connected());
}

#[test]
fn unknown_names_and_wrong_types_are_errors() {
    let manager = Manager::start().unwrap();
    let address = manager.serve(&registry(), local(), b"key").unwrap();
    let remote = Manager::connect(&registry(), address, b"key").unwrap();
    assert!(matches!(remote.create::<u64, u64>("counter", 5), Err(CallError::Unknown(_))));
    assert!(matches!(remote.create::<u32, u64>("count", 5), Err(CallError::WrongType(_))));
    let count = remote.create::<u64, u64>("count", 5).unwrap();
    assert!(matches!(count.call::<u64, u64>("subtract", 5), Err(CallError::Unknown(_))));
    assert!(matches!(count.call::<u32, u64>("add", 5), Err(CallError::WrongType(_))));
    assert_eq!(count.call::<(), u64>("get", ()).unwrap(), 5);
}

#[test]
fn a_wrong_key_or_another_registry_is_refused_and_the_server_goes_on() {
    let manager = Manager::start().unwrap();
    let address = manager.serve(&registry(), local(), b"key").unwrap();
    assert!(matches!(Manager::connect(&registry(), &address, b"wrong"), Err(ConnectError::Refused(_))));
    let other = registry().reader("count", "double", |count: &u64, (): ()| *count * 2);
    assert!(matches!(Manager::connect(&other, &address, b"key"), Err(ConnectError::Schema)));
    let remote = Manager::connect(&registry(), address, b"key").unwrap();
    assert_eq!(remote.create::<u64, u64>("count", 5).unwrap().call::<(), u64>("get", ()).unwrap(), 5);
}

#[test]
fn garbage_is_cut_off_and_hurts_nobody() {
    let manager = Manager::start().unwrap();
    let address = manager.serve(&registry(), local(), b"key").unwrap();
    let remote = Manager::connect(&registry(), &address, b"key").unwrap();
    let count = remote.create::<u64, u64>("count", 5).unwrap();
    for seed in 0..50_u8 {
        let mut stranger = TcpStream::connect(port(&address)).unwrap();
        let noise: Vec<u8> = (0..200_u8).map(|n| n.wrapping_mul(seed).wrapping_add(seed)).collect();
        let _refused = stranger.write_all(&noise);
    }
    // Those who know the key and the registry may still talk nonsense.
    for frame in [&b""[..], b"x", &[0xff; 21], &[0; 21], &[7; 300]] {
        let socket = procession_channels::Client::connect(&address, b"key").unwrap();
        let greeting = fingerprint(&address);
        socket.send_bytes(&greeting).unwrap();
        socket.recv_bytes().unwrap();
        socket.send_bytes(frame).unwrap();
        assert_eq!(count.call::<(), u64>("get", ()).unwrap(), 5);
        drop(socket);
    }
    assert_eq!(count.call::<u64, u64>("add", 1).unwrap(), 6);
}

/// The greeting of a client with the right registry, as a listener of our own hears it.
fn fingerprint(_: &Address) -> Vec<u8> {
    let listener = procession_channels::Listener::bind(local(), b"key").unwrap();
    let address = listener.address().clone();
    let client = std::thread::spawn(move || drop(Manager::connect(&registry(), address, b"key")));
    let socket: SocketConnection = listener.accept().unwrap();
    let greeting = socket.recv_bytes().unwrap();
    drop(socket);
    client.join().unwrap();
    greeting
}

#[test]
fn a_client_may_use_only_what_it_has() {
    let manager = Manager::start().unwrap();
    let secret = manager.create(|n: u64| n, 7).unwrap();
    let address = manager.serve(&registry(), local(), b"key").unwrap();
    let socket = procession_channels::Client::connect(&address, b"key").unwrap();
    socket.send_bytes(&fingerprint(&address)).unwrap();
    socket.recv_bytes().unwrap();
    for object in 0..10_u64 {
        // A call of the first method with an argument of 1, as it is written.
        let mut frame = vec![1];
        frame.extend_from_slice(&object.to_le_bytes());
        frame.extend_from_slice(&1_u64.to_le_bytes());
        frame.extend_from_slice(&1_u32.to_le_bytes());
        frame.extend_from_slice(&0_u16.to_le_bytes());
        frame.push(0);
        socket.send_bytes(&frame).unwrap();
        let answer = socket.recv_bytes().unwrap();
        assert_eq!(answer.last(), Some(&1), "it fails");
    }
    assert_eq!(secret.get().unwrap(), 7);
}

#[test]
fn a_thousand_silent_connections_keep_nobody_out() {
    procession_core::os::limits::raise_descriptors();
    let manager = Manager::start().unwrap();
    let address = manager.serve(&registry(), local(), b"key").unwrap();
    let silent: Vec<_> = (0..1000).map(|_| TcpStream::connect(port(&address)).unwrap()).collect();
    let remote = Manager::connect(&registry(), &address, b"key").unwrap();
    assert_eq!(remote.create::<u64, u64>("count", 5).unwrap().call::<(), u64>("get", ()).unwrap(), 5);
    drop(silent);
}

#[test]
fn results_may_be_long_and_what_is_too_long_is_an_error_of_its_own() {
    let sized =
        || Registry::new().object("unit", |(): ()| ()).reader("unit", "text", |(): &(), n: usize| "x".repeat(n));
    let manager = Manager::start().unwrap();
    let address = manager.serve(&sized(), local(), b"key").unwrap();
    let unit = Manager::connect(&sized(), address, b"key").unwrap().create::<(), ()>("unit", ()).unwrap();
    for length in [1 << 20, 70 << 20] {
        assert_eq!(unit.call::<usize, String>("text", length).unwrap().len(), length);
    }
    let error = unit.call::<usize, String>("text", 257 << 20).unwrap_err();
    assert!(matches!(&error, CallError::Result(text) if text.contains("too many")), "{error}");
    assert_eq!(unit.call::<usize, String>("text", 1).unwrap(), "x");
}

#[test]
fn a_client_that_takes_nothing_is_given_up_even_by_a_call_that_took_long() {
    let slow = || {
        Registry::new().object("unit", |(): ()| ()).reader("unit", "text", |(): &(), n: usize| {
            std::thread::sleep(Duration::from_millis(20));
            "x".repeat(n)
        })
    };
    let manager = Manager::start().unwrap();
    let address = manager.serve(&slow(), local(), b"key").unwrap();
    let remote = Manager::connect(&slow(), address, b"key").unwrap();
    let unit = remote.create::<(), ()>("unit", ()).unwrap();
    let calls: Vec<_> = (0..3).map(|_| unit.post::<usize, String>("text", 100 << 20).unwrap()).collect();
    // Nobody reads: the second answer finds that the first has not been taken.
    crate::support::until("it is given up", || manager.stats().unwrap().objects == 0);
    let results: Vec<_> = calls.into_iter().map(|call| call.wait()).collect();
    assert!(matches!(results.last(), Some(Err(CallError::ManagerGone))), "the rest is lost");
    assert!(!remote.is_connected());
}
