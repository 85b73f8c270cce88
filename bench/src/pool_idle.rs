//! Idle pools: what they hold, and what they do. Looks at this process and all its descendants.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use procession::Pool;

use crate::group::{Failure, Figure};
use crate::pool::{WORKERS, add_one};
use crate::{pool_peers, raw_pool};

/// The time after which a pool without tasks counts as idle.
const REST: Duration = Duration::from_millis(200);
/// The time for which it is watched.
const WATCH: Duration = Duration::from_millis(500);

pub fn ours(look: fn() -> Result<f64, Failure>) -> Result<Figure, Failure> {
    let pool = Pool::new(WORKERS)?;
    pool.map(add_one, 0..100)?;
    let figure = at_rest(look);
    drop(pool);
    figure
}

pub fn procspawn(look: fn() -> Result<f64, Failure>) -> Result<Figure, Failure> {
    let pool = pool_peers::procspawn_pool()?;
    let figure = at_rest(look);
    pool.shutdown();
    figure
}

pub fn forks(look: fn() -> Result<f64, Failure>) -> Result<Figure, Failure> {
    let forks = raw_pool::Idle::start()?;
    let figure = at_rest(look);
    drop(forks);
    figure
}

fn at_rest(look: fn() -> Result<f64, Failure>) -> Result<Figure, Failure> {
    sleep(REST);
    look().map(Figure::Value)
}

/// The proportional memory of this process and its descendants, in MiB.
pub fn memory() -> Result<f64, Failure> {
    let family = family()?;
    if family.len() <= WORKERS {
        return Err(format!("the processes {family:?} are too few").into());
    }
    let mut kibibytes = 0;
    for pid in family {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no Pss in smaps_rollup")?;
        kibibytes += line.trim().trim_end_matches(" kB").parse::<u64>()?;
    }
    Ok(kibibytes as f64 / 1024.0)
}

/// The processor time of this process and its descendants, in microseconds for each second.
pub fn processor_time() -> Result<f64, Failure> {
    let (family, start) = (family()?, Instant::now());
    // This process looks twice, which is no work of the pool: it is measured without its first thread.
    let before = on_processor(&family)?;
    sleep(WATCH);
    let spent = on_processor(&family)?.saturating_sub(before);
    Ok(spent as f64 / 1e3 / start.elapsed().as_secs_f64())
}

/// Nanoseconds that the threads of these processes were on a processor, but for the first thread of this one.
fn on_processor(family: &[u32]) -> Result<u64, Failure> {
    let mut sum = 0;
    for pid in family {
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let path = thread?.path();
            if path.file_name() != Some(std::process::id().to_string().as_ref()) {
                let text = fs::read_to_string(path.join("schedstat"))?;
                sum += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
            }
        }
    }
    Ok(sum)
}

/// This process and its descendants.
fn family() -> Result<Vec<u32>, Failure> {
    let mut family = vec![std::process::id()];
    let mut at = 0;
    while let Some(pid) = family.get(at) {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"))?;
        for task in tasks {
            let children = fs::read_to_string(task?.path().join("children"))?;
            family.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        at += 1;
    }
    Ok(family)
}
