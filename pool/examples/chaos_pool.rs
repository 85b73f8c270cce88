//! A pool under fire: jobs of random shapes run while random workers are killed, and every result is checked.
//!
//! ```text
//! cargo run --release -p procession-pool --example chaos_pool -- [--seconds N] [--seed S]
//! ```
//!
//! Each item must bring its right result, or an error that names signal 9; there must be no more errors than kills, no item
//! may be missing or come twice, and nothing may hang. Exits with 1 when one of these is violated.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use procession_pool::{Pool, TaskError};
use procession_process::active_children;

/// Longer than this nothing takes, on the slowest machine.
const HANG: Duration = Duration::from_secs(60);

static KILLS: AtomicU64 = AtomicU64::new(0);
static RESULTS: AtomicU64 = AtomicU64::new(0);
static IS_OVER: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    procession_process::init();
    let (seconds, seed) = match arguments() {
        Ok(given) => given,
        Err(error) => {
            eprintln!("chaos_pool: {error}; usage: chaos_pool [--seconds N] [--seed S]");
            return ExitCode::from(2);
        }
    };
    let end = Instant::now() + Duration::from_secs(seconds);
    thread::spawn(watch);
    let killer = thread::spawn(move || kill_workers(Random(seed ^ 0x5eed), end));
    let outcome = run_jobs(Random(seed), end);
    IS_OVER.store(true, Ordering::Relaxed);
    let kills = killer.join().map_or(0, |()| KILLS.load(Ordering::Relaxed));
    let results = RESULTS.load(Ordering::Relaxed);
    match outcome {
        Ok(Tally { jobs, errors }) => {
            println!("chaos_pool: ok: seed {seed}, {jobs} jobs, {results} results, {kills} kills, {errors} items lost");
            ExitCode::SUCCESS
        }
        Err(text) => {
            println!("chaos_pool: VIOLATED: seed {seed}, after {results} results and {kills} kills: {text}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<(u64, u64), String> {
    let (mut seconds, mut seed) = (10, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().and_then(|text| text.parse().ok());
        match (name.as_str(), value) {
            ("--seconds", Some(value)) => seconds = value,
            ("--seed", Some(value)) => seed = value,
            _ => return Err(format!("what is `{name}`?")),
        }
    }
    Ok((seconds, seed))
}

/// What has come out so far.
#[derive(Default)]
struct Tally {
    jobs: u64,
    errors: u64,
}

fn run_jobs(mut random: Random, end: Instant) -> Result<Tally, String> {
    let mut tally = Tally::default();
    while Instant::now() < end {
        let workers = 1 + random.below(4) as usize;
        let pool = Pool::new(workers).map_err(|error| error.to_string())?;
        for _ in 0..random.below(20) {
            run_job(&pool, &mut random, &mut tally, end)?;
            tally.jobs += 1;
        }
    }
    Ok(tally)
}

fn run_job(pool: &Pool, random: &mut Random, tally: &mut Tally, end: Instant) -> Result<(), String> {
    let count = [1, 10, 300, 10_000, 100_000][random.below(5) as usize];
    let rounds = [0, 10, 1000, 100_000][random.below(4) as usize];
    let salt = random.next();
    let items = (0..count).map(|n| (n, salt, rounds)).take_while(|_| Instant::now() < end);
    let mut seen = vec![false; count as usize];
    if random.below(2) == 0 {
        for (n, result) in pool.imap(work, items).enumerate() {
            check(result, salt, Some(n as u64), &mut seen, tally)?;
        }
    } else {
        for result in pool.imap_unordered(work, items) {
            check(result, salt, None, &mut seen, tally)?;
        }
    }
    // What was read came out without gaps; the end may have cut the input.
    let read = seen.iter().take_while(|one| **one).count();
    if seen[read..].contains(&true) { Err(format!("item {read} of {count} is missing")) } else { Ok(()) }
}

/// The task: some work whose result can be foretold.
fn work((n, salt, rounds): (u64, u64, u64)) -> (u64, u64) {
    for round in 0..rounds {
        std::hint::black_box(round);
    }
    (n, n.wrapping_mul(salt))
}

fn check(
    result: Result<(u64, u64), TaskError>,
    salt: u64,
    place: Option<u64>,
    seen: &mut [bool],
    tally: &mut Tally,
) -> Result<(), String> {
    RESULTS.fetch_add(1, Ordering::Relaxed);
    let n = match result {
        Ok((n, product)) if product == n.wrapping_mul(salt) => n,
        Ok((n, product)) => return Err(format!("item {n} brought {product}")),
        Err(error) if error.exit_status().and_then(|status| status.signal()) == Some(9) => {
            tally.errors += 1;
            error.index()
        }
        Err(error) => return Err(format!("an error without a killer: {error}")),
    };
    let kills = KILLS.load(Ordering::Relaxed);
    if tally.errors > kills {
        return Err(format!("{} errors after {kills} kills", tally.errors));
    }
    if place.is_some_and(|place| place != n) {
        return Err(format!("item {n} came in the place of {place:?}"));
    }
    if std::mem::replace(&mut seen[n as usize], true) { Err(format!("item {n} came twice")) } else { Ok(()) }
}

/// Kills a random worker now and then.
fn kill_workers(mut random: Random, end: Instant) {
    while Instant::now() < end && !IS_OVER.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_micros(random.below(40_000)));
        let workers: Vec<_> =
            active_children().into_iter().filter(|one| one.name().starts_with("PoolWorker")).collect();
        if let Some(worker) = workers.get(random.below(workers.len().max(1) as u64) as usize) {
            // Counted before, so that no error can come before its kill.
            KILLS.fetch_add(1, Ordering::Relaxed);
            worker.kill();
        }
    }
}

/// Ends everything when nothing comes any more.
fn watch() {
    let (mut last, mut since) = (u64::MAX, Instant::now());
    loop {
        thread::sleep(Duration::from_millis(200));
        let results = RESULTS.load(Ordering::Relaxed);
        if results != last {
            (last, since) = (results, Instant::now());
        } else if since.elapsed() > HANG {
            println!("chaos_pool: VIOLATED: no result for {} seconds", HANG.as_secs());
            std::process::exit(1);
        }
    }
}

/// A small generator of pseudo-random numbers (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.max(1);
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 33) % limit.max(1)
    }
}
