//! The peers in Rust: procspawn's pool, and rayon inside one process.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::group::{Failure, Figure};
use crate::measure::{Repeat, expect, latency};
use crate::options::Options;
use crate::pool::{WORKERS, add_one, compute, sum_for};
use crate::pool_block::{Block, MIB, WARM_UP};
use crate::pool_ours::{rate, scaling, throughput};

/// procspawn has a socket for each task that waits, so this program counts them.
const IN_FLIGHT: usize = 64;

pub fn procspawn_pool() -> Result<procspawn::Pool, Failure> {
    let pool = procspawn::Pool::new(WORKERS)?;
    procspawn_sum(&pool, 100)?;
    Ok(pool)
}

fn procspawn_sum(pool: &procspawn::Pool, count: usize) -> Result<(), Failure> {
    let (mut handles, mut sum) = (VecDeque::new(), 0);
    for n in 0..count as u64 {
        if handles.len() == IN_FLIGHT {
            sum += next(&mut handles)?;
        }
        handles.push_back(procspawn::spawn!(in pool, (n) || add_one(n)));
    }
    while !handles.is_empty() {
        sum += next(&mut handles)?;
    }
    expect(sum, sum_for(count))
}

fn next<T>(handles: &mut VecDeque<procspawn::JoinHandle<T>>) -> Result<T, Failure>
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    Ok(handles.pop_front().ok_or("nothing is in flight")?.join()?)
}

pub fn procspawn_single(options: Options) -> Result<Figure, Failure> {
    let (pool, count) = (procspawn_pool()?, options.part(20_000));
    rate(count, || procspawn_sum(&pool, count))
}

pub fn procspawn_apply(options: Options) -> Result<Figure, Failure> {
    let pool = procspawn_pool()?;
    let mut n = 0;
    latency(Repeat::times(5000).under(options), || {
        n += 1;
        expect(procspawn::spawn!(in pool, (n) || add_one(n)).join()?, n + 1)
    })
}

pub fn procspawn_large(options: Options) -> Result<Figure, Failure> {
    let (pool, count) = (procspawn_pool()?, options.part(200));
    let data = Arc::new(vec![1_u8; MIB]);
    let run = |count| {
        let mut handles = VecDeque::new();
        for _ in 0..count {
            if handles.len() == WORKERS {
                next::<Block>(&mut handles)?.check()?;
            }
            let block = Block(data.clone());
            handles.push_back(procspawn::spawn!(in pool, (block) || block.answer()));
        }
        handles.into_iter().try_for_each(|handle| handle.join()?.check())
    };
    run(WARM_UP)?;
    throughput(count, || run(count))
}

fn rayon_pool() -> Result<rayon::ThreadPool, Failure> {
    Ok(rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build()?)
}

pub fn rayon_spawn(options: Options) -> Result<Figure, Failure> {
    let (pool, count) = (rayon_pool()?, options.part(1_000_000));
    let run = |count: usize| {
        let sum = AtomicU64::new(0);
        pool.scope(|scope| {
            for n in 0..count as u64 {
                let sum = &sum;
                scope.spawn(move |_| _ = sum.fetch_add(add_one(n), Ordering::Relaxed));
            }
        });
        expect(sum.into_inner(), sum_for(count))
    };
    run(count / 10)?;
    rate(count, || run(count))
}

pub fn rayon_map(options: Options) -> Result<Figure, Failure> {
    let (pool, count) = (rayon_pool()?, options.part(20_000_000));
    let run = |count: usize| {
        let results: Vec<u64> = pool.install(|| (0..count as u64).into_par_iter().map(add_one).collect());
        expect(results.into_par_iter().sum(), sum_for(count))
    };
    run(count / 10)?;
    rate(count, || run(count))
}

pub fn rayon_install(options: Options) -> Result<Figure, Failure> {
    let pool = rayon_pool()?;
    let mut n = 0;
    latency(Repeat::times(20_000).under(options), || {
        n += 1;
        expect(pool.install(|| add_one(n)), n + 1)
    })
}

pub fn rayon_heavy(options: Options) -> Result<Figure, Failure> {
    let (pool, tasks) = (rayon_pool()?, vec![1000; options.part(1000)]);
    let (mut expected, mut found): (Vec<u64>, Vec<u64>) = Default::default();
    let alone = || {
        expected = tasks.iter().copied().map(compute).collect();
        Ok(())
    };
    let figure = scaling(alone, || {
        found = pool.install(|| tasks.par_iter().copied().with_max_len(1).map(compute).collect());
        Ok(())
    })?;
    expect(found, expected)?;
    Ok(figure)
}
