//! A Rust program and a Python script talk over a listener with an authkey, once with each of them as the listener.
//!
//! On Python's side there is nothing but its own `multiprocessing.connection`.
//!
//! ```text
//! cargo run --release --example python_interop
//! ```

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::Duration;

use procession::channels::{Address, Client, Listener, SocketConnection};

const KEY: &str = "a secret that both know";

/// How long the script may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

const CLIENT: &str = "
import sys
from multiprocessing.connection import Client
with Client(('127.0.0.1', int(sys.argv[1])), authkey=sys.argv[2].encode()) as connection:
    connection.send_bytes(b'hello from Python')
    print('python: has received', connection.recv_bytes().decode(), flush=True)
";

const LISTENER: &str = "
import sys
from multiprocessing.connection import Listener
with Listener(('127.0.0.1', 0), authkey=sys.argv[1].encode()) as listener:
    print(listener.address[1], flush=True)
    with listener.accept() as connection:
        print('python: has received', connection.recv_bytes().decode(), flush=True)
        connection.send_bytes(b'hello from Python, the listener')
";

fn main() -> Result<(), Box<dyn Error>> {
    if let Err(error) = Command::new("python3").arg("--version").stdout(Stdio::null()).status() {
        println!("skipped: there is no python3 here ({error})");
        return Ok(());
    }
    listen_to_python()?;
    call_python()
}

fn listen_to_python() -> Result<(), Box<dyn Error>> {
    // Before version 3.12, Python can prove that it knows the key only in the old way, with MD5, which must be asked for.
    let listener = Listener::builder().key(KEY).legacy(true).bind((Ipv4Addr::LOCALHOST, 0))?;
    let Address::Tcp(address) = listener.address() else { return Err("a TCP listener has a TCP address".into()) };
    let mut python = Command::new("python3").args(["-c", CLIENT, &address.port().to_string(), KEY]).spawn()?;
    let connection = listener.accept_timeout(PATIENCE)?.ok_or("the script does not come")?;
    println!("rust: has received {}", receive(&connection)?);
    connection.send_bytes(b"hello from Rust")?;
    if python.wait()?.success() { Ok(()) } else { Err("the script has failed".into()) }
}

fn call_python() -> Result<(), Box<dyn Error>> {
    let mut python = Command::new("python3").args(["-c", LISTENER, KEY]).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(python.stdout.take().ok_or("no pipe")?).lines();
    let port: u16 = lines.next().ok_or("the script says no port")??.parse()?;
    let connection = Client::builder().key(KEY).legacy(true).connect((Ipv4Addr::LOCALHOST, port))?;
    connection.send_bytes(b"hello from Rust, the client")?;
    println!("{}", lines.next().ok_or("the script says nothing")??);
    println!("rust: has received {}", receive(&connection)?);
    if python.wait()?.success() { Ok(()) } else { Err("the script has failed".into()) }
}

fn receive(connection: &SocketConnection) -> Result<String, Box<dyn Error>> {
    Ok(String::from_utf8(connection.recv_bytes()?)?)
}
