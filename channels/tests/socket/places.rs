//! Where listeners listen: files that come and go, names, ports (C12 to C15).

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;

use procession_channels::{Address, BindError, Client, ConnectError, Listener};

use crate::support::{KEY, accepted, any_port, anywhere, connected};

#[test]
fn a_socket_file_goes_with_its_listener() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = Listener::bind(path.as_path(), KEY).unwrap();
    assert_eq!(listener.address(), &Address::Unix(path.clone()));
    assert!(path.exists());
    let (server, client) = connected(&listener);
    drop(listener);
    assert!(!path.exists());
    server.send_bytes(b"still here").unwrap();
    assert_eq!(client.recv_bytes().unwrap(), b"still here");
}

#[test]
fn a_live_listener_is_not_pushed_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = Listener::bind(path.as_path(), KEY).unwrap();
    let error = Listener::bind(path.as_path(), KEY).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    connected(&listener);
}

#[test]
fn a_live_listener_with_a_full_queue_is_not_pushed_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = Listener::builder().key(KEY).backlog(0).bind(path.as_path()).unwrap();
    let _queued = std::os::unix::net::UnixStream::connect(&path).unwrap();
    assert!(matches!(Listener::bind(path.as_path(), KEY), Err(BindError::InUse { .. })));
    drop(listener);
}

#[test]
fn a_dead_socket_is_replaced_also_while_its_connections_live() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let dead = UnixListener::bind(&path).unwrap();
    let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let _server = dead.accept().unwrap();
    drop(dead);
    let listener = Listener::bind(path.as_path(), KEY).unwrap();
    connected(&listener);
}

#[test]
fn a_folder_that_somebody_has_locked_keeps_nobody_from_listening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    let theirs = fs::File::open(folder.path()).unwrap();
    theirs.lock().unwrap();
    let listener = Listener::bind(path.as_path(), KEY).unwrap();
    connected(&listener);
}

#[test]
fn a_socket_file_has_the_mode_that_was_asked_for() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    for mode in [0o600, 0o666] {
        let path = folder.path().join(format!("{mode:o}"));
        let listener = Listener::builder().key(KEY).mode(mode).bind(path.as_path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        connected(&listener);
    }
}

#[test]
fn a_file_that_is_no_socket_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter");
    fs::write(&path, "dear reader").unwrap();
    assert!(matches!(Listener::bind(path.as_path(), KEY), Err(BindError::InUse { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"dear reader");
}

#[test]
fn a_listener_unlinks_no_file_but_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = Listener::bind(path.as_path(), KEY).unwrap();
    fs::rename(&path, folder.path().join("moved")).unwrap();
    fs::write(&path, "another").unwrap();
    drop(listener);
    assert_eq!(fs::read(&path).unwrap(), b"another");
}

#[test]
fn what_cannot_be_is_an_error_that_names_it() {
    let long = Path::new("/tmp").join("x".repeat(200));
    let error = Listener::bind(long.as_path(), KEY).unwrap_err().to_string();
    assert!(error.starts_with("cannot listen on /tmp/xxx"), "{error}");
    let error = Client::connect(long.as_path(), KEY).unwrap_err().to_string();
    assert!(error.starts_with("cannot connect to /tmp/xxx"), "{error}");
    let nowhere = Path::new("/nonexistent/socket");
    assert!(matches!(Client::connect(nowhere, KEY), Err(ConnectError::Io { .. })));
    assert!(matches!(Listener::bind(nowhere, KEY), Err(BindError::Io { .. })));
}

#[test]
fn the_kernel_chooses_names_and_ports() {
    let (one, two) = (Listener::bind(anywhere(), KEY).unwrap(), Listener::bind(anywhere(), KEY).unwrap());
    assert_ne!(one.address(), two.address());
    connected(&one);
    connected(&two);
    let Address::Tcp(address) = *Listener::bind(any_port(), KEY).unwrap().address() else { panic!("a port") };
    assert_ne!(address.port(), 0);
}

#[test]
fn an_abstract_name_can_be_chosen_once() {
    let name = Address::Abstract(format!("procession test {}", std::process::id()).into_bytes());
    let listener = Listener::bind(&name, KEY).unwrap();
    assert_eq!(listener.address(), &name);
    assert!(matches!(Listener::bind(&name, KEY), Err(BindError::InUse { .. })));
    let (_, client) = connected(&listener);
    assert_eq!(client.peer(), Some(name));
}

#[test]
fn the_other_address_family() {
    let address: Address = "[::1]:0".parse().unwrap();
    match Listener::bind(address, KEY) {
        Ok(listener) => {
            let (server, client) = connected(&listener);
            assert_eq!(client.peer().as_ref(), Some(listener.address()));
            assert!(server.peer().unwrap().to_string().starts_with("[::1]:"));
        }
        Err(error) => println!("skipped: this machine has no IPv6 ({error})"),
    }
}

#[test]
fn without_a_key_the_first_who_comes_is_in() {
    let listener = Listener::builder().without_key().bind(any_port()).unwrap();
    let client = Client::builder().without_key().connect(listener.address()).unwrap();
    let server = accepted(&listener);
    client.send_bytes(b"hello").unwrap();
    assert_eq!(server.recv_bytes().unwrap(), b"hello");
}
