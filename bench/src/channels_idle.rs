//! Processes that wait for a message that does not come, and what processor time that takes.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use procession::Process;
use procession::channels;

use crate::channels_peers::{beside_socket, echo_socket};
use crate::group::{Failure, Figure};

/// The time after which a process without messages counts as idle.
const REST: Duration = Duration::from_millis(200);
/// The time for which it is watched.
const WATCH: Duration = Duration::from_secs(1);

pub fn queue() -> Result<Figure, Failure> {
    let (sender, receiver) = channels::queue::<u64>(16)?;
    let child = Process::spawn(|receiver: channels::Receiver<u64>| receiver.iter().count(), receiver)?;
    sender.send(1)?;
    let figure = watch(child.id())?;
    drop(sender);
    crate::measure::expect(child.join()?, 1)?;
    Ok(figure)
}

pub fn pipe() -> Result<Figure, Failure> {
    let (here, there) = channels::pipe::<u64, u64>()?;
    let echo = |there: channels::Connection<u64, u64>| while there.recv().is_ok_and(|n| there.send(n).is_ok()) {};
    let child = Process::spawn(echo, there)?;
    here.send(1)?;
    crate::measure::expect(here.recv()?, 1)?;
    let figure = watch(child.id())?;
    drop(here);
    child.join()?;
    Ok(figure)
}

pub fn socket() -> Result<Figure, Failure> {
    let (here, child) = beside_socket(echo_socket)?;
    let figure = watch(child.id())?;
    drop(here);
    child.join()?;
    Ok(figure)
}

/// What processor time a process takes while nothing happens, in microseconds for each second.
fn watch(pid: u32) -> Result<Figure, Failure> {
    sleep(REST);
    let (start, before) = (Instant::now(), on_processor(pid)?);
    sleep(WATCH);
    let spent = on_processor(pid)?.saturating_sub(before);
    Ok(Figure::Value(spent as f64 / 1e3 / start.elapsed().as_secs_f64()))
}

/// Nanoseconds that the threads of a process were on a processor.
fn on_processor(pid: u32) -> Result<u64, Failure> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(sum)
}
