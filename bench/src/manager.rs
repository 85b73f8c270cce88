//! The groups `manager-…`: a dict that several processes share, beside CPython's `Manager`, Redis, and a bare socket.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use procession::Process;
use procession::channels::{Address, SocketConnection};
use procession::manager::{Dict, Manager, Registry, RemoteProxy};
use procession::process::SpawnError;
use procession::sync::Event;

use crate::group::{Failure, Figure, Group, System};
use crate::measure::expect;
use crate::options::Options;
use crate::python;
use crate::redis::{Client, Redis};

const UNIT: &str = "thousand operations a second (higher is better)";

/// One client sets entries, one after the other.
pub const SET: Group = Group {
    name: "manager-set",
    title: "dict set, one client, one at a time",
    unit: UNIT,
    systems: &[
        System { name: "procession Manager", measure: |options| one_client(options, set) },
        System { name: "CPython Manager", measure: |options| cpython("set", 1, options) },
        System { name: "Redis, Unix socket", measure: |options| redis(options, |client, n| client.set(n, 7)) },
        System { name: "raw socket echo, 64 bytes", measure: echo },
    ],
};

/// One client gets entries, one after the other.
pub const GET: Group = Group {
    name: "manager-get",
    title: "dict get, one client, one at a time",
    unit: UNIT,
    systems: &[
        System { name: "procession Manager", measure: |options| one_client(options, get) },
        System { name: "CPython Manager", measure: |options| cpython("get", 1, options) },
        System { name: "Redis, Unix socket", measure: |options| redis(options, |client, n| client.get(n).map(drop)) },
        System { name: "raw socket echo, 64 bytes", measure: echo },
    ],
};

/// Two clients at once.
pub const PAIR: Group = Group {
    name: "manager-pair",
    title: "dict set, two clients, one at a time each",
    unit: UNIT,
    systems: &[
        System { name: "procession Manager", measure: two_clients },
        System { name: "CPython Manager", measure: |options| cpython("set", 2, options) },
        System { name: "Redis, Unix socket", measure: two_clients_of_redis },
    ],
};

/// Many calls on their way at once.
pub const PIPELINE: Group = Group {
    name: "manager-pipeline",
    title: "dict set, one client, up to 200 at a time",
    unit: UNIT,
    systems: &[
        System { name: "procession Manager", measure: pipeline },
        System { name: "Redis, Unix socket", measure: pipeline_of_redis },
    ],
};

/// Over a Unix socket, as from another program.
pub const REMOTE: Group = Group {
    name: "manager-remote",
    title: "dict set over a Unix socket, one client, one at a time",
    unit: UNIT,
    systems: &[
        System { name: "procession Manager, remote", measure: remote },
        System { name: "CPython Manager", measure: |options| cpython("set", 1, options) },
        System { name: "Redis, Unix socket", measure: |options| redis(options, |client, n| client.set(n, 7)) },
        System { name: "raw socket echo, 64 bytes", measure: echo },
    ],
};

const TIMES: u32 = 400_000;
const TIMES_OF_PEERS: u32 = 40_000;
const KEYS: u32 = 100;

/// How many operations a second, in thousands, after some that warm up.
fn rate(times: u32, mut operation: impl FnMut(u32) -> Result<(), Failure>) -> Result<Figure, Failure> {
    (0..times.div_ceil(10).max(KEYS)).try_for_each(|n| operation(n % KEYS))?;
    let start = Instant::now();
    (0..times).try_for_each(|n| operation(n % KEYS))?;
    Ok(thousands(start.elapsed(), times))
}

fn thousands(took: Duration, times: u32) -> Figure {
    Figure::Value(f64::from(times) / took.as_secs_f64() / 1e3)
}

fn set(dict: &Dict<u32, u64>, key: u32) -> Result<(), Failure> {
    dict.insert(key, 7)?;
    Ok(())
}

fn get(dict: &Dict<u32, u64>, key: u32) -> Result<(), Failure> {
    expect(dict.get(&key)?, Some(7))
}

/// A dict that has all its keys.
fn full(manager: &Manager) -> Result<Dict<u32, u64>, Failure> {
    let dict = manager.dict()?;
    dict.extend((0..KEYS).map(|key| (key, 7)))?;
    Ok(dict)
}

fn one_client(options: Options, operation: fn(&Dict<u32, u64>, u32) -> Result<(), Failure>) -> Result<Figure, Failure> {
    let manager = Manager::start()?;
    let dict = full(&manager)?;
    let figure = rate(options.part(TIMES), |key| operation(&dict, key))?;
    expect(dict.len()?, KEYS as usize)?;
    Ok(figure)
}

fn two_clients(options: Options) -> Result<Figure, Failure> {
    fn work((dict, times, begin): (Dict<u32, u64>, u32, Event)) {
        begin.wait();
        for n in 0..times {
            dict.insert(n % KEYS, 7).unwrap();
        }
    }
    let manager = Manager::start()?;
    let dict = full(&manager)?;
    let figure = in_two(options.part(TIMES), |times, begin| Process::spawn(work, (dict.clone(), times, begin)))?;
    expect(dict.len()?, KEYS as usize)?;
    Ok(figure)
}

/// The rate of two processes that each run a number of operations, counted from their common start.
fn in_two(times: u32, start: impl Fn(u32, Event) -> Result<Process<()>, SpawnError>) -> Result<Figure, Failure> {
    let begin = Event::new()?;
    let clients = [start(times, begin.clone())?, start(times, begin.clone())?];
    let from = Instant::now();
    begin.set();
    for client in clients {
        client.join()?;
    }
    Ok(thousands(from.elapsed(), 2 * times))
}

fn pipeline(options: Options) -> Result<Figure, Failure> {
    let manager = Manager::start()?;
    let (dict, mut waiting) = (full(&manager)?, VecDeque::new());
    let figure = rate(options.part(TIMES), |key| {
        waiting.push_back(dict.proxy().post(|dict, (key, value)| dict.insert(key, value), (key, 7))?);
        if waiting.len() >= 200 {
            waiting.drain(..100).try_for_each(|one| expect(one.wait()?, Some(7)))?;
        }
        Ok(())
    })?;
    waiting.drain(..).try_for_each(|one| expect(one.wait()?, Some(7)))?;
    Ok(figure)
}

type Plain = std::collections::HashMap<u32, u64>;

fn remote(options: Options) -> Result<Figure, Failure> {
    let registry = Registry::new().object("dict", |(): ()| Plain::new()).method(
        "dict",
        "insert",
        |dict: &mut Plain, (key, value): (u32, u64)| dict.insert(key, value),
    );
    let path: PathBuf = std::env::temp_dir().join(format!("procession-bench-manager-{}", std::process::id()));
    let manager = Manager::start()?;
    let address = manager.serve(&registry, Address::from(path.as_path()), b"bench")?;
    let remote = Manager::connect(&registry, address, b"bench")?;
    let dict: RemoteProxy<Plain> = remote.create("dict", ())?;
    let figure = rate(options.part(TIMES_OF_PEERS), |key| {
        dict.call::<(u32, u64), Option<u64>>("insert", (key, 7))?;
        Ok(())
    });
    manager.shutdown()?;
    let _gone = std::fs::remove_file(path);
    figure
}

/// Measures with a full Redis, and a client of it.
fn with_redis(measure: impl FnOnce(PathBuf, &mut Client) -> Result<Figure, Failure>) -> Result<Figure, Failure> {
    let Some(server) = Redis::start()? else { return Ok(Figure::Skipped("this machine has no redis-server".into())) };
    let mut client = Client::connect(&server.socket())?;
    client.set_many(0..KEYS, 7)?;
    let figure = measure(server.socket(), &mut client)?;
    expect(client.len()?, KEYS as usize)?;
    Ok(figure)
}

fn redis(options: Options, operation: fn(&mut Client, u32) -> std::io::Result<()>) -> Result<Figure, Failure> {
    with_redis(|_, client| rate(options.part(TIMES_OF_PEERS), |key| Ok(operation(client, key)?)))
}

fn two_clients_of_redis(options: Options) -> Result<Figure, Failure> {
    fn work((socket, times, begin): (PathBuf, u32, Event)) {
        let mut client = Client::connect(&socket).unwrap();
        begin.wait();
        (0..times).for_each(|n| client.set(n % KEYS, 7).unwrap());
    }
    with_redis(|socket, _| {
        in_two(options.part(TIMES_OF_PEERS), |times, begin| Process::spawn(work, (socket.clone(), times, begin)))
    })
}

fn pipeline_of_redis(options: Options) -> Result<Figure, Failure> {
    with_redis(|_, client| {
        let batches = options.part(TIMES / 200);
        let start = Instant::now();
        (0..batches).try_for_each(|_| client.set_many((0..200).map(|n| n % KEYS), 7))?;
        Ok(thousands(start.elapsed(), batches * 200))
    })
}

fn echo(options: Options) -> Result<Figure, Failure> {
    fn answer(end: SocketConnection) {
        let mut socket = UnixStream::from(OwnedFd::from(end));
        let mut room = [0; 64];
        while socket.read_exact(&mut room).is_ok() && socket.write_all(&room).is_ok() {}
    }
    let (mut here, there) = UnixStream::pair()?;
    let other = Process::spawn(answer, SocketConnection::from(there))?;
    let mut room = [7; 64];
    let figure = rate(options.part(TIMES_OF_PEERS), |_| {
        here.write_all(&room)?;
        Ok(here.read_exact(&mut room)?)
    })?;
    drop(here);
    other.join()?;
    Ok(figure)
}

fn cpython(what: &str, clients: u32, options: Options) -> Result<Figure, Failure> {
    python::run("manager.py", &[what, &clients.to_string(), &options.part(TIMES_OF_PEERS).to_string()])
}
