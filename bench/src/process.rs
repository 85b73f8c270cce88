//! The groups `process` and `process-2gib`: how long it takes to start a process and to join it.
//!
//! The child computes 41 + 1. Ours, procspawn's and the like bring the value back; bare system calls
//! and CPython's `Process` have only the exit status to bring it.

use std::env;
use std::hint::black_box;
use std::process::{Command, ExitCode};

use procession::{Process, StartMethod};

use crate::group::{Failure, Figure, Group, System};
use crate::measure::{Repeat, expect, latency};
use crate::options::Options;
use crate::{machine, python, raw};

/// From a parent that has touched next to no memory.
pub const GROUP: Group = Group {
    name: "process",
    title: "start and join of a trivial process",
    unit: "µs (lower is better)",
    systems: &[
        System { name: "procession Server", measure: |options| ours(StartMethod::Server, options) },
        System { name: "procession Spawn", measure: |options| ours(StartMethod::Spawn, options) },
        System { name: "procession Fork", measure: |options| ours(StartMethod::Fork, options) },
        System { name: "raw fork", measure: raw_fork },
        System { name: "raw zygote", measure: raw_zygote },
        System { name: "Command, re-executing itself", measure: command },
        System { name: "procspawn", measure: procspawn },
        System { name: "CPython fork", measure: |options| cpython("fork", SMALL, options) },
        System { name: "CPython forkserver", measure: |options| cpython("forkserver", SMALL, options) },
        System { name: "CPython spawn", measure: |options| cpython("spawn", SMALL, options) },
    ],
};

/// From a parent that has touched 2 GiB, which a fork has to copy the page tables of.
pub const GROUP_2GIB: Group = Group {
    name: "process-2gib",
    title: "the same from a parent with 2 GiB of touched memory",
    unit: "µs (lower is better)",
    systems: &[
        System {
            name: "procession Server",
            measure: |options| large(options, |options| ours(StartMethod::Server, options)),
        },
        System { name: "procession Server, small parent", measure: |options| ours(StartMethod::Server, options) },
        System {
            name: "procession Spawn",
            measure: |options| large(options, |options| ours(StartMethod::Spawn, options)),
        },
        System { name: "raw fork", measure: |options| large(options, raw_fork_slow) },
        System { name: "Command, re-executing itself", measure: |options| large(options, command) },
        System { name: "procspawn", measure: |options| large(options, procspawn) },
        System { name: "CPython fork", measure: |options| cpython_large("fork", options) },
        System { name: "CPython forkserver", measure: |options| cpython_large("forkserver", options) },
    ],
};

const SMALL: usize = 0;
const LARGE: usize = 2 << 30;

/// The argument by which [`command`] makes this program its child.
const CHILD: &str = "--child-of-command";

const MANY: Repeat = Repeat::times(500);
const FEW: Repeat = Repeat::times(200);
/// For what takes tens of milliseconds.
const SLOW: Repeat = Repeat::times(20);

fn ours(method: StartMethod, options: Options) -> Result<Figure, Failure> {
    latency(MANY.under(options), || {
        let child = Process::builder().start_method(method).spawn(|n: u64| n + 1, 41)?;
        expect(child.join()?, 42)
    })
}

fn raw_fork(options: Options) -> Result<Figure, Failure> {
    latency(MANY.under(options), || expect(raw::fork_and_wait(42)?, 42))
}

fn raw_zygote(options: Options) -> Result<Figure, Failure> {
    let mut zygote = raw::Zygote::start()?;
    latency(MANY.under(options), || expect(zygote.clone_and_wait(42)?, 42))
}

fn raw_fork_slow(options: Options) -> Result<Figure, Failure> {
    latency(SLOW.under(options), || expect(raw::fork_and_wait(42)?, 42))
}

fn command(options: Options) -> Result<Figure, Failure> {
    // The link leads to this program even when the file was replaced, as it does for the others.
    latency(FEW.under(options), || {
        let status = Command::new("/proc/self/exe").args([CHILD, "41"]).status()?;
        expect(status.code(), Some(42))
    })
}

/// The exit code of this process, when [`command`] started it.
pub fn command_child() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let is_child = arguments.next()? == CHILD;
    let number: u8 = is_child.then(|| arguments.next())??.to_str()?.parse().ok()?;
    Some(ExitCode::from(number + 1))
}

fn procspawn(options: Options) -> Result<Figure, Failure> {
    latency(FEW.under(options), || expect(procspawn::spawn(41_u64, |n| n + 1).join()?, 42))
}

fn cpython(method: &str, touched: usize, options: Options) -> Result<Figure, Failure> {
    let repeat = match method {
        "fork" if touched == SMALL => FEW,
        _ => SLOW,
    };
    let repeat = repeat.under(options);
    let numbers = [repeat.warm_up, repeat.measured, touched].map(|number| number.to_string());
    let [warm_up, measured, touched] = numbers.each_ref().map(String::as_str);
    python::run("process.py", &[method, warm_up, measured, touched])
}

fn cpython_large(method: &str, options: Options) -> Result<Figure, Failure> {
    match too_little_memory() {
        Some(skipped) => Ok(skipped),
        None => cpython(method, LARGE, options),
    }
}

/// Measures while 2 GiB of touched memory are held.
fn large(options: Options, measure: fn(Options) -> Result<Figure, Failure>) -> Result<Figure, Failure> {
    if let Some(skipped) = too_little_memory() {
        return Ok(skipped);
    }
    // Not zeroes, which the allocator would take from the kernel without touching them.
    let memory = black_box(vec![1_u8; LARGE]);
    let figure = measure(options);
    drop(black_box(memory));
    figure
}

/// Half as much again must stay free, so that the machine does not begin to swap.
fn too_little_memory() -> Option<Figure> {
    let needed = LARGE as u64 / 2 * 3;
    let available = machine::available_memory()?;
    let text = format!("it needs {needed} bytes of free memory, this machine has {available}");
    (available < needed).then_some(Figure::Skipped(text))
}
