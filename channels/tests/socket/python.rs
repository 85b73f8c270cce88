//! Real Python peers, of every version that this machine has: both roles, both dialects, right and wrong keys, all sizes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use procession_channels::{Address, Client, ConnectError, HandshakeError, Listener, SocketConnection};

use crate::support::{FOREVER, KEY, accepted, any_port, anywhere, pattern, until_refused};

/// What every Python here begins with: an address from the command line, as Python writes it.
const COMMON: &str = r#"
import sys
from multiprocessing.connection import Listener, Client
from multiprocessing import AuthenticationError
family, text, key = sys.argv[1:4]
key = key.encode() if key else None
if family == "tcp":
    host, port = text.rsplit(":", 1)
    address = (host, int(port))
elif family == "abstract":
    address = "\0" + text
else:
    address = text
def echo(connection):
    try:
        while True:
            connection.send_bytes(connection.recv_bytes())
    except EOFError:
        connection.close()
"#;

/// Connects, echoes to the end, and says how it went.
const CLIENT: &str = r#"
try:
    echo(Client(address, authkey=key))
    print("done", flush=True)
except Exception as error:
    print(type(error).__name__, flush=True)
"#;

/// Listens, says where, and echoes for one client after the other, whatever the earlier ones did, until its input ends.
const SERVER: &str = r#"
import threading, os
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
listener = Listener(address, authkey=key)
where = listener.address
if isinstance(where, bytes):
    where = where.decode()
print(where if isinstance(where, str) else "%s:%d" % where, flush=True)
while True:
    try:
        echo(listener.accept())
    except Exception as error:
        print(type(error).__name__, flush=True)
"#;

/// An interpreter, and the second number of its version.
#[derive(Clone, Debug)]
struct Python {
    path: PathBuf,
    minor: u32,
}

impl Python {
    /// Python 3.11 and older know the old dialect alone.
    fn is_legacy(&self) -> bool {
        self.minor <= 11
    }

    fn run(&self, script: &str, family: &str, address: &str, key: &[u8]) -> Peer {
        let key = std::str::from_utf8(key).unwrap();
        let mut child = Command::new(&self.path)
            .args(["-c", &format!("{COMMON}{script}"), family, address, key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Peer { child, _input: input, output }
    }
}

/// A running Python, which is gone when this is.
struct Peer {
    child: Child,
    _input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Every version from 3.8 once: what is on the path, and what pyenv keeps.
fn pythons() -> &'static [Python] {
    static FOUND: OnceLock<Vec<Python>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let kept = std::env::home_dir().map(|home| home.join(".pyenv/versions"));
        let kept = kept.and_then(|folder| folder.read_dir().ok()).into_iter().flatten().flatten();
        folders.extend(kept.map(|entry| entry.path().join("bin")));
        let names = std::iter::once("python3".to_owned()).chain((8..30).map(|minor| format!("python3.{minor}")));
        let names: Vec<String> = names.collect();
        let candidates = folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name)));
        let mut found = BTreeMap::new();
        for path in candidates.filter(|path| path.is_file()) {
            if let Some(minor) = minor(&path).filter(|minor| *minor >= 8) {
                found.entry(minor).or_insert(Python { path, minor });
            }
        }
        if found.is_empty() {
            println!("skipped: this machine has no python3 of version 3.8 or newer");
        }
        found.into_values().collect()
    })
}

fn minor(path: &PathBuf) -> Option<u32> {
    let script = "import sys, multiprocessing.connection; print(sys.version_info[1])";
    let output = Command::new(path).args(["-c", script]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn family(address: &Address) -> (&'static str, String) {
    match address {
        Address::Tcp(address) => ("tcp", address.to_string()),
        Address::Abstract(name) => ("abstract", String::from_utf8(name.clone()).unwrap()),
        other => ("unix", other.to_string()),
    }
}

/// Sends messages of all sizes and has them back.
fn exchange(connection: &SocketConnection, sizes: &[usize]) {
    let mut buffer = Vec::new();
    for &size in sizes {
        let bytes = pattern(size);
        connection.send_bytes_timeout(&bytes, FOREVER).unwrap();
        assert_eq!(connection.recv_bytes_into_timeout(&mut buffer, FOREVER).unwrap(), size);
        assert!(buffer == bytes, "{size} bytes");
    }
}

const SIZES: &[usize] = &[0, 1, 4, 255, 256, 16_384, 16_385, 65_536, 1 << 20];
const LARGEST: usize = 64 << 20;

#[test]
fn python_connects_to_us() {
    let folder = tempfile::tempdir().unwrap();
    for python in pythons() {
        for address in [any_port(), anywhere(), folder.path().join("socket").into()] {
            let listener = Listener::builder().key(KEY).legacy(python.is_legacy()).bind(address).unwrap();
            let (family, address) = family(listener.address());
            let mut client = python.run(CLIENT, family, &address, KEY);
            let connection = accepted(&listener);
            exchange(&connection, SIZES);
            if family == "tcp" {
                exchange(&connection, &[LARGEST]);
            }
            drop(connection);
            assert_eq!(client.line(), "done", "{python:?} {family}");

            let mut stranger = python.run(CLIENT, family, &address, b"sawfish");
            until_refused(&listener, 1);
            assert_eq!(stranger.line(), "AuthenticationError", "{python:?} {family}");
            let error = listener.take_refusals().pop().unwrap().error;
            assert!(matches!(error, HandshakeError::WrongKey), "{python:?} {family}: {error}");
        }
    }
}

#[test]
fn we_connect_to_python() {
    let folder = tempfile::tempdir().unwrap();
    for python in pythons() {
        let path = folder.path().join(format!("socket{}", python.minor)).display().to_string();
        let name = format!("procession python test {} {}", std::process::id(), python.minor);
        for (family, text) in [("tcp", "127.0.0.1:0"), ("abstract", &name), ("unix", &path)] {
            let mut server = python.run(SERVER, family, text, KEY);
            let address = server.line();
            let address: Address =
                address.strip_prefix('\0').map_or_else(|| address.parse(), |name| format!("@{name}").parse()).unwrap();
            let builder = Client::builder().legacy(python.is_legacy());
            let connection = builder.clone().key(KEY).connect(&address).unwrap();
            exchange(&connection, SIZES);
            if family == "unix" {
                exchange(&connection, &[LARGEST]);
            }
            drop(connection);

            let error = builder.clone().key("sawfish").connect(&address).unwrap_err();
            let rejected = matches!(error, ConnectError::Handshake { source: HandshakeError::Rejected, .. });
            assert!(rejected, "{python:?} {family}: {error}");
            assert_eq!(server.line(), "AuthenticationError", "{python:?} {family}");
            exchange(&builder.key(KEY).connect(&address).unwrap(), &[10]);
        }
    }
}

#[test]
fn the_old_dialect_is_spoken_only_when_asked() {
    for python in pythons() {
        let listener = Listener::bind(any_port(), KEY).unwrap();
        let (family, address) = family(listener.address());
        let mut client = python.run(CLIENT, family, &address, KEY);
        if python.is_legacy() {
            until_refused(&listener, 1);
            let error = listener.take_refusals().pop().unwrap().error;
            assert!(matches!(error, HandshakeError::Legacy), "{python:?}: {error}");
            assert_eq!(client.line(), "AuthenticationError");
        } else {
            exchange(&accepted(&listener), &[10]);
            assert_eq!(client.line(), "done");
        }

        let mut server = python.run(SERVER, "tcp", "127.0.0.1:0", KEY);
        let address: Address = server.line().parse().unwrap();
        match Client::connect(&address, KEY) {
            Ok(connection) => exchange(&connection, &[10]),
            Err(ConnectError::Handshake { source: HandshakeError::Legacy, .. }) => assert!(python.is_legacy()),
            Err(error) => panic!("{python:?}: {error}"),
        }
    }
}

#[test]
fn a_side_that_allows_the_old_dialect_speaks_the_new_one_too() {
    for python in pythons().iter().filter(|python| !python.is_legacy()) {
        let listener = Listener::builder().key(KEY).legacy(true).bind(any_port()).unwrap();
        let (family, address) = family(listener.address());
        let mut client = python.run(CLIENT, family, &address, KEY);
        exchange(&accepted(&listener), &[10]);
        assert_eq!(client.line(), "done");
    }
}

#[test]
fn without_keys_there_is_no_handshake() {
    for python in pythons() {
        let listener = Listener::builder().without_key().bind(anywhere()).unwrap();
        let (family, address) = family(listener.address());
        let mut client = python.run(CLIENT, family, &address, b"");
        exchange(&accepted(&listener), SIZES);
        assert_eq!(client.line(), "done");

        let mut server = python.run(SERVER, "tcp", "127.0.0.1:0", b"");
        let address: Address = server.line().parse().unwrap();
        exchange(&Client::builder().without_key().connect(&address).unwrap(), SIZES);
        drop(server.child.kill());
        let _rest = server.output.read_to_end(&mut Vec::new());
    }
}
