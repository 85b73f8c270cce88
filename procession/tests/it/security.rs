//! The sentences of the guide's page about security that no other test shows.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::thread;

use procession::channels::{Address, Client, Listener, queue};
use procession::manager::{Manager, Proxy};
use procession::sync::{Event, Mutex, SharedMemory};
use procession::{Pool, Process, process};

const KEY: &str = "a secret";

/// Where the descriptors of this process lead.
fn open_descriptors() -> BTreeSet<String> {
    let entries = fs::read_dir("/proc/self/fd").unwrap();
    entries.filter_map(|entry| Some(fs::read_link(entry.ok()?.path()).ok()?.to_string_lossy().into_owned())).collect()
}

/// One of everything that has memory, sockets or processes.
fn with_one_of_each<R>(act: impl FnOnce() -> R) -> R {
    let (sender, receiver) = queue::<Vec<u8>>(4).unwrap();
    sender.send(vec![1; 100_000]).unwrap();
    let (mutex, event) = (Mutex::new(0_u64).unwrap(), Event::new().unwrap());
    let memory = SharedMemory::new(1000).unwrap();
    let pool = Pool::new(1).unwrap();
    assert_eq!(pool.apply(|bytes: Vec<u8>| bytes.len(), vec![0; 100_000]).unwrap(), 100_000);
    let manager = Manager::start().unwrap();
    let object = manager.create(|n: u64| n, 1).unwrap();
    let child = Process::spawn(|event: Event| event.wait(), event.clone()).unwrap();
    let result = act();
    event.set();
    child.join().unwrap();
    drop((receiver, mutex, memory, object));
    result
}

/// Runs `act` in a process that does nothing else: there no other test opens or closes anything meanwhile.
fn alone(act: fn(())) {
    Process::spawn(act, ()).unwrap().join().unwrap();
}

#[test]
fn other_programs_get_no_descriptor_of_ours() {
    fn theirs() -> String {
        let output = Command::new("ls").arg("/proc/self/fd").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
    alone(|()| {
        let before = theirs();
        assert_eq!(with_one_of_each(theirs), before);
    });
}

#[test]
fn memory_and_sockets_have_no_name() {
    alone(|()| {
        let before = open_descriptors();
        let meanwhile = with_one_of_each(open_descriptors);
        let made: Vec<&String> = meanwhile.difference(&before).collect();
        assert!(made.len() > 10, "{made:?}");
        let nameless = ["/memfd:", "/proc", "/dev/null"];
        let named = made.iter().filter(|target| target.starts_with('/'));
        let named: Vec<_> = named.filter(|target| !nameless.iter().any(|start| target.starts_with(start))).collect();
        assert!(named.is_empty(), "{named:?}");
        // A Unix socket with a name has it in the last column.
        let table = fs::read_to_string("/proc/net/unix").unwrap();
        for socket in made.iter().filter_map(|target| target.strip_prefix("socket:[")?.strip_suffix(']')) {
            let line = table.lines().find(|line| line.split_whitespace().nth(6) == Some(socket));
            assert!(line.is_none_or(|line| line.split_whitespace().count() == 7), "{line:?}");
        }
    });
}

#[test]
fn named_memory_is_open_to_its_user_alone() {
    let name = format!("security-{}", std::process::id());
    let _memory = SharedMemory::create(&name, 10).unwrap();
    let record = fs::metadata(format!("/dev/shm/procession.{name}")).unwrap();
    assert_eq!(record.mode() & 0o077, 0, "others may neither read nor write it");
    assert_eq!(record.uid(), fs::metadata("/proc/self").unwrap().uid());
    SharedMemory::unlink(&name).unwrap();
}

#[test]
fn handles_do_not_travel_over_a_network() {
    let listener = Listener::bind("127.0.0.1:0".parse::<Address>().unwrap(), KEY).unwrap();
    let manager = Manager::start().unwrap();
    let proxy: Proxy<u64> = manager.create(|n: u64| n, 1).unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| Client::connect(listener.address(), KEY).unwrap());
        let ours = listener.accept().unwrap();
        let theirs = client.join().unwrap();
        assert!(theirs.send(&Mutex::new(0_u64).unwrap()).is_err());
        assert!(theirs.send(&queue::<u64>(1).unwrap().0).is_err());
        // What names a function is refused as well.
        assert!(theirs.send(&proxy).is_err());
        theirs.send(&7_u64).unwrap();
        assert_eq!(ours.recv::<u64>().unwrap(), 7, "the connection goes on");
    });
}

/// Copies what a stream brings into another, and returns it as well.
fn copied(mut from: TcpStream, mut to: TcpStream) -> Vec<u8> {
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        seen.extend(&buffer[..count]);
        to.write_all(&buffer[..count]).unwrap();
    }
    // The other side may be gone already.
    let _ = to.shutdown(Shutdown::Write);
    seen
}

/// A man in the middle: it knows no key and passes everything on. Returns what the client sent.
fn relay(door: &TcpListener, address: SocketAddr) -> io::Result<Vec<u8>> {
    let (client, server) = (door.accept()?.0, TcpStream::connect(address)?);
    let (client_back, server_back) = (client.try_clone()?, server.try_clone()?);
    Ok(thread::scope(|scope| {
        scope.spawn(|| copied(server_back, client_back));
        copied(client, server)
    }))
}

#[test]
fn a_proof_can_be_passed_on_and_what_follows_can_be_read() {
    let listener = Listener::bind("127.0.0.1:0".parse::<Address>().unwrap(), KEY).unwrap();
    let &Address::Tcp(address) = listener.address() else { panic!("a port") };
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let entrance = Address::Tcp(door.local_addr().unwrap());
    let seen = thread::scope(|scope| {
        let relay = scope.spawn(|| relay(&door, address).unwrap());
        scope.spawn(|| Client::connect(&entrance, KEY).unwrap().send(&"a plain text").unwrap());
        let received: String = listener.accept().unwrap().recv().unwrap();
        assert_eq!(received, "a plain text");
        relay.join().unwrap()
    });
    assert!(seen.windows(12).any(|window| window == b"a plain text"));
    assert!(!seen.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "the key itself never travels");
}

/// The niceness of a process, which is the 19th field of its line.
fn niceness((): ()) -> i32 {
    let line = fs::read_to_string("/proc/self/stat").unwrap();
    let fields = line.rsplit(')').next().unwrap();
    fields.split_whitespace().nth(16).unwrap().parse().unwrap()
}

#[test]
fn priorities_are_those_of_the_server_until_it_is_replaced() {
    alone(|()| {
        let start = || Process::spawn(niceness, ()).unwrap().join().unwrap();
        let before = start();
        let (own, lowest) = (std::process::id().to_string(), 19);
        let status = Command::new("renice").args(["-n", &lowest.to_string(), "-p", &own]).output();
        // The command belongs to util-linux, which a small container may lack. Where the tests themselves run at the
        // lowest priority, there is no other to choose.
        let Some(output) = status.ok().filter(|_| before < lowest) else { return };
        assert!(output.status.success(), "{output:?}");
        let nicer = niceness(());
        assert!(nicer > before);
        assert_eq!(start(), before);
        process::stop_server();
        assert_eq!(start(), nicer);
    });
}
