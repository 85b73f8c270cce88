//! Our own pool, as the groups `pool-…` measure it.

use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procession::Pool;

use crate::group::{Failure, Figure};
use crate::measure::{Repeat, expect, latency};
use crate::options::Options;
use crate::pool::{WORKERS, add_one, compute, sum_for};
use crate::pool_block::{Block, MIB, WARM_UP};

const SINGLES: usize = 500_000;
const MANY: usize = 5_000_000;
const LARGE: usize = 1000;
const HEAVY: usize = 1000;

/// The rate of `count` operations, in millions a second.
pub fn rate(count: usize, work: impl FnOnce() -> Result<(), Failure>) -> Result<Figure, Failure> {
    let start = Instant::now();
    work()?;
    Ok(Figure::Value(count as f64 / start.elapsed().as_secs_f64() / 1e6))
}

/// The rate of `count` megabytes each way, in gigabytes a second.
pub fn throughput(count: usize, work: impl FnOnce() -> Result<(), Failure>) -> Result<Figure, Failure> {
    let start = Instant::now();
    work()?;
    Ok(Figure::Value(2.0 * (count * MIB) as f64 / start.elapsed().as_secs_f64() / 1e9))
}

/// How near the second kind of work comes to taking the part of the first that there are cores.
pub fn scaling(
    alone: impl FnOnce() -> Result<(), Failure>,
    together: impl FnOnce() -> Result<(), Failure>,
) -> Result<Figure, Failure> {
    let start = Instant::now();
    alone()?;
    let middle = Instant::now();
    together()?;
    let (alone, together) = (middle - start, middle.elapsed());
    let cores = WORKERS.min(procession::process::cpu_count());
    Ok(Figure::Value(100.0 * alone.as_secs_f64() / together.as_secs_f64() / cores as f64))
}

fn single_pool() -> Result<Pool, Failure> {
    Ok(Pool::builder().workers(WORKERS).chunk_size(NonZeroUsize::MIN).build()?)
}

fn map(pool: &Pool, count: usize) -> Result<(), Failure> {
    let sum = pool.map(add_one, 0..count as u64)?.into_iter().sum();
    expect::<u64>(sum, sum_for(count))
}

fn unordered(pool: &Pool, count: usize) -> Result<(), Failure> {
    let sum = pool.imap_unordered(add_one, 0..count as u64).sum::<Result<u64, _>>()?;
    expect(sum, sum_for(count))
}

fn in_order(pool: &Pool, count: usize) -> Result<(), Failure> {
    let sum = pool.imap(add_one, 0..count as u64).sum::<Result<u64, _>>()?;
    expect(sum, sum_for(count))
}

pub fn single_map(options: Options) -> Result<Figure, Failure> {
    let (pool, count) = (single_pool()?, options.part(SINGLES));
    map(&pool, count / 10)?;
    rate(count, || map(&pool, count))
}

pub fn single_unordered(options: Options) -> Result<Figure, Failure> {
    let (pool, count) = (single_pool()?, options.part(SINGLES));
    unordered(&pool, count / 10)?;
    rate(count, || unordered(&pool, count))
}

pub fn chunked_map(options: Options) -> Result<Figure, Failure> {
    let (pool, count) = (Pool::new(WORKERS)?, options.part(MANY));
    map(&pool, count / 10)?;
    rate(count, || map(&pool, count))
}

pub fn chunked_imap(options: Options) -> Result<Figure, Failure> {
    let (pool, count) = (Pool::new(WORKERS)?, options.part(MANY));
    in_order(&pool, count / 10)?;
    rate(count, || in_order(&pool, count))
}

pub fn apply(options: Options) -> Result<Figure, Failure> {
    let pool = Pool::new(WORKERS)?;
    let mut n = 0;
    latency(Repeat::times(20_000).under(options), || {
        n += 1;
        expect(pool.apply(add_one, n)?, n + 1)
    })
}

pub fn large(options: Options) -> Result<Figure, Failure> {
    let (pool, count) = (Pool::new(WORKERS)?, options.part(LARGE));
    let data = Arc::new(vec![1_u8; MIB]);
    let run = |count: usize| {
        let blocks = (0..count).map(|_| Block(data.clone()));
        pool.imap_unordered(Block::answer, blocks).try_for_each(|result| result?.check())
    };
    run(WARM_UP)?;
    throughput(count, || run(count))
}

pub fn heavy(options: Options) -> Result<Figure, Failure> {
    heavy_with(|_| 1000, options)
}

pub fn heavy_uneven(options: Options) -> Result<Figure, Failure> {
    // The longest comes last.
    let longest = options.part(HEAVY) - 1;
    heavy_with(move |n| if n == longest { 20_000 } else { 100 + (n as u64 * 7919) % 1800 }, options)
}

fn heavy_with(rounds: impl Fn(usize) -> u64, options: Options) -> Result<Figure, Failure> {
    let (pool, count) = (Pool::new(WORKERS)?, options.part(HEAVY));
    let tasks: Vec<u64> = (0..count).map(rounds).collect();
    pool.map(compute, vec![1000; 20])?;
    let mut expected = Vec::new();
    let alone = || {
        expected = tasks.iter().copied().map(compute).collect();
        Ok(())
    };
    let mut found = Vec::new();
    let figure = scaling(alone, || {
        found = pool.map(compute, tasks.iter().copied())?;
        Ok(())
    })?;
    expect(found, expected)?;
    Ok(figure)
}

/// Nanoseconds for each task of jobs of `size`, as many of them as make half a million tasks.
pub fn flat(size: usize, options: Options) -> Result<Figure, Failure> {
    let pool = Pool::new(WORKERS)?;
    let jobs = options.part(500_000_usize.div_ceil(size));
    map(&pool, size.min(100_000))?;
    let start = Instant::now();
    for _ in 0..jobs {
        map(&pool, size)?;
    }
    Ok(Figure::Value(start.elapsed().as_nanos() as f64 / (jobs * size) as f64))
}

pub fn death(_: Options) -> Result<Figure, Failure> {
    let task = |n: u32| {
        if n == 5 {
            // Nothing is left to do if there is no such command: the result is checked.
            let _killed = Command::new("kill").args(["-KILL", &std::process::id().to_string()]).status();
        }
        std::thread::sleep(Duration::from_millis(200));
        n
    };
    let pool = Pool::new(4)?;
    map(&pool, 100)?;
    let start = Instant::now();
    let errors: Vec<_> = pool.imap(task, 0..20).filter_map(Result::err).collect();
    let took = start.elapsed();
    let deaths: Vec<_> = errors.iter().map(|error| (error.index(), error.is_death())).collect();
    expect(deaths, vec![(5, true)])?;
    map(&pool, 100)?;
    Ok(Figure::Value(took.as_secs_f64()))
}
