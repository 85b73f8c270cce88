//! What several of the tests need.

use std::fs::File;
use std::io::{self, PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use procession_core::codec::Descriptor;
use procession_core::os::exit::exit_now;
use procession_core::os::fork::{Forked, fork_sibling};
use procession_core::os::threads::Counter;
use procession_process::{Process, StartMethod, Stdio};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A hang is a failure: nothing takes so long, however slow the machine.
pub(crate) const FOREVER: Duration = Duration::from_secs(120);

/// The methods that a test program, which has many threads, can use.
pub(crate) const METHODS: [StartMethod; 2] = [StartMethod::Server, StartMethod::Spawn];

/// Bytes that travel as one block, so that large ones are quick in a build without optimizations too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Block(#[serde(with = "procession_core::codec::bytes")] pub(crate) Vec<u8>);

/// Keeps children waiting: dropped, it lets them go on.
pub(crate) struct Gate {
    reader: Descriptor,
    _writer: PipeWriter,
}

impl Gate {
    pub(crate) fn new() -> Gate {
        let (reader, writer) = io::pipe().unwrap();
        Gate { reader: Descriptor::from(OwnedFd::from(reader)), _writer: writer }
    }

    /// The side for a child to [`pass`].
    pub(crate) fn side(&self) -> Descriptor {
        self.reader.try_clone().unwrap()
    }
}

/// Waits until the gate is open.
pub(crate) fn pass(side: Descriptor) {
    let mut nothing = Vec::new();
    File::from(OwnedFd::from(side)).read_to_end(&mut nothing).unwrap();
}

/// A child that waits at a gate.
pub(crate) fn waiting(gate: &Gate) -> Process<()> {
    Process::spawn(pass, gate.side()).unwrap()
}

/// Runs a function in a quiet child of its own, whose state it may change as it likes, and brings its value or its panic.
pub(crate) fn alone<A, R>(function: fn(A) -> R, argument: A) -> R
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    Process::spawn(function, argument).unwrap().join().unwrap()
}

/// Starts a function whose complaints on stderr nobody needs to see.
pub(crate) fn quietly<A, R>(method: StartMethod, function: fn(A) -> R, argument: A) -> Process<R>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    Process::builder().start_method(method).stderr(Stdio::Null).spawn(function, argument).unwrap()
}

/// Whether a descriptor becomes readable before it is certain that it never will.
pub(crate) fn becomes_readable(fd: impl AsFd) -> bool {
    let timeout = PollTimeout::try_from(FOREVER).unwrap();
    poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], timeout).unwrap() == 1
}

/// Whether a descriptor is readable now.
pub(crate) fn is_readable(fd: impl AsFd) -> bool {
    poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).unwrap() == 1
}

/// Looks again and again until it is true. For what the kernel does in its own time.
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(begin.elapsed() < FOREVER, "{what} did not come true");
        std::thread::yield_now();
    }
}

/// The numbers of the calling process's children, zombies included.
pub(crate) fn children() -> Vec<u32> {
    let mine = std::process::id();
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|pid| parent_of(*pid) == Some(mine)).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// One of this crate's example programs, which `cargo test` and `cargo nextest run` build.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is not built: run `cargo build --examples` first", path.display());
    path
}

/// Runs a function in a copy of the calling process that has all its descriptors, as a bare `fork` makes it, and brings
/// what it returns or how it panicked.
pub(crate) fn in_a_copy(function: impl FnOnce() -> String) -> String {
    let (reader, mut writer) = io::pipe().unwrap();
    if fork_sibling(&Counter::new().unwrap()).unwrap() == Forked::Child {
        drop(reader);
        let text = std::panic::catch_unwind(AssertUnwindSafe(function)).unwrap_or_else(|_| "it panicked".to_owned());
        let told = writer.write_all(text.as_bytes());
        exit_now(told.is_err().into());
    }
    drop(writer);
    io::read_to_string(reader).unwrap()
}

/// Whether the calling process may do what only an administrator may; if not, says which test is left out.
pub(crate) fn is_root(test: &str) -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        eprintln!("left out, because only root may do what it needs: {test}");
    }
    is_root
}
