//! A pool under fire: jobs run while random workers are killed, and every result is checked.
//!
//! ```text
//! cargo run --release -p procession-pool --example chaos_pool -- [--seconds N] [--seed S] [--items N]
//! ```
//!
//! Three things take turns for so many seconds: jobs of random shapes on pools of random sizes, and a large job, of 1,000,000 items where
//! there is time, once with retries and once without. Every 20 milliseconds a random worker is killed. Each item must bring its right result or, where nothing is
//! tried again, an error that names signal 9 and a worker that was killed, at most one for each kill. No item may be missing, come
//! twice, or run twice without being declared repeatable. In the end no process, descriptor, thread or memory is
//! left over. Exits with 1 when one of these is violated.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use procession_pool::{Pool, TaskError};
use procession_process::active_children;
use procession_sync::Shared;

/// Longer than this nothing takes, on the slowest machine.
const HANG: Duration = Duration::from_secs(60);
/// A worker is killed so often.
const INTERVAL: Duration = Duration::from_millis(20);
/// No item is killed so often.
const RETRIES: u32 = 20;
/// So much memory may come and go without being a leak, in KiB.
const SLACK: usize = 128 << 10;

static KILLED: Mutex<Option<HashMap<u32, u64>>> = Mutex::new(None);
static KILLS: AtomicU64 = AtomicU64::new(0);
static RESULTS: AtomicU64 = AtomicU64::new(0);
static IS_OVER: AtomicBool = AtomicBool::new(false);
/// In a worker: how often each item of the large job has begun, in any of them.
static BEGUN: OnceLock<Shared<[AtomicU8]>> = OnceLock::new();

fn main() -> ExitCode {
    procession_process::init();
    let options = match Options::parse() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("chaos_pool: {error}; usage: chaos_pool [--seconds N] [--seed S] [--items N]");
            return ExitCode::from(2);
        }
    };
    thread::spawn(watch);
    let mut tally = Tally::default();
    let outcome = torment(&options, &mut tally);
    let (seed, kills, results) = (options.seed, KILLS.load(Ordering::Relaxed), RESULTS.load(Ordering::Relaxed));
    match outcome {
        Ok(()) => {
            let Tally { jobs, rounds, errors, .. } = tally;
            println!("chaos_pool: ok: seed {seed}, {jobs} random jobs, {rounds} rounds of {} items,", options.items);
            println!("chaos_pool: {results} results, {kills} kills, {errors} items lost where nothing was tried again");
            ExitCode::SUCCESS
        }
        Err(text) => {
            println!("chaos_pool: VIOLATED: seed {seed}, after {results} results and {kills} kills: {text}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug)]
struct Options {
    seconds: u64,
    seed: u64,
    items: usize,
}

impl Options {
    fn parse() -> Result<Options, String> {
        let (mut options, mut items) = (Options { seconds: 20, seed: 1, items: 0 }, None);
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value: Option<u64> = arguments.next().and_then(|text| text.parse().ok());
            match (name.as_str(), value) {
                ("--seconds", Some(value)) => options.seconds = value,
                ("--seed", Some(value)) => options.seed = value,
                ("--items", Some(value)) => items = usize::try_from(value).ok(),
                _ => return Err(format!("what is `{name}`?")),
            }
        }
        options.items = items.unwrap_or(if options.seconds < 10 { 100_000 } else { 1_000_000 });
        Ok(options)
    }
}

/// What has come out so far.
#[derive(Debug, Default)]
struct Tally {
    jobs: u64,
    rounds: u64,
    errors: u64,
    /// Errors by the worker that they name.
    by_pid: HashMap<u32, u64>,
}

fn torment(options: &Options, tally: &mut Tally) -> Result<(), String> {
    let mut random = Random(options.seed);
    // The first pool starts the server, which stays.
    run_jobs(&mut random, tally, 1)?;
    let before = Belongings::count()?;
    let killer = thread::spawn({
        let random = Random(options.seed ^ 0x5eed);
        move || kill_workers(random)
    });
    let outcome = take_turns(options, &mut random, tally);
    IS_OVER.store(true, Ordering::Relaxed);
    killer.join().map_err(|_| "the killer has panicked")?;
    outcome?;
    before.compare()
}

/// Small jobs and a large one, in turns, until the time is over.
fn take_turns(options: &Options, random: &mut Random, tally: &mut Tally) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let mut memory = None;
    while tally.rounds == 0 || Instant::now() < end {
        run_jobs(random, tally, 20)?;
        run_large(options.items, tally)?;
        run_repeatable(options.items)?;
        tally.rounds += 1;
        // Once everything was used, nothing more may be needed.
        let now = memory_in_use()?;
        let first = *memory.get_or_insert(now);
        if now > first + SLACK {
            return Err(format!("memory in use has grown from {first} to {now} KiB"));
        }
    }
    Ok(())
}

/// So many jobs of random shapes.
fn run_jobs(random: &mut Random, tally: &mut Tally, count: u64) -> Result<(), String> {
    let workers = 1 + random.below(4) as usize;
    let pool = Pool::new(workers).map_err(|error| error.to_string())?;
    for _ in 0..count {
        run_job(&pool, random, tally)?;
        tally.jobs += 1;
    }
    Ok(())
}

fn run_job(pool: &Pool, random: &mut Random, tally: &mut Tally) -> Result<(), String> {
    let count = [1, 10, 300, 3000, 10_000][random.below(5) as usize];
    let rounds = [0, 10, 1000, 10_000][random.below(4) as usize];
    let salt = random.next();
    let items = (0..count).map(|n| (n, salt, rounds));
    let mut seen = vec![false; count as usize];
    if random.below(2) == 0 {
        for (n, result) in pool.imap(work, items).enumerate() {
            let index = check(result, salt, &mut seen, tally)?;
            if index != n as u64 {
                return Err(format!("item {index} came in the place of {n}"));
            }
        }
    } else {
        for result in pool.imap_unordered(work, items) {
            check(result, salt, &mut seen, tally)?;
        }
    }
    all_seen(&seen)
}

/// The task of the small jobs: some work whose result can be foretold.
fn work((n, salt, rounds): (u64, u64, u64)) -> (u64, u64) {
    (0..rounds).for_each(|round| _ = std::hint::black_box(round));
    (n, n.wrapping_mul(salt))
}

/// The task of the large job: some microseconds of work, and a note that it has begun.
fn noted_work(n: u64) -> (u64, u64) {
    if let Some(begun) = BEGUN.get() {
        begun[n as usize].fetch_add(1, Ordering::Relaxed);
    }
    work((n, SALT, 2000))
}

const SALT: u64 = 0x9e37_79b9_7f4a_7c15;

/// The large job, where nothing is tried again: what was killed, and nothing else, is an error, and nothing begins twice.
fn run_large(items: usize, tally: &mut Tally) -> Result<(), String> {
    let (pool, begun) = noting_pool(items)?;
    let mut seen = vec![false; items];
    let mut lost = Vec::new();
    for result in pool.imap_unordered(noted_work, 0..items as u64) {
        let is_error = result.is_err();
        let index = check(result, SALT, &mut seen, tally)?;
        if is_error {
            lost.push(index);
        }
    }
    all_seen(&seen)?;
    for (n, begun) in begun.iter().map(|begun| begun.load(Ordering::Relaxed)).enumerate() {
        let is_lost = lost.contains(&(n as u64));
        if begun > 1 || (begun == 0 && !is_lost) {
            return Err(format!("item {n} has begun {begun} times{}", if is_lost { " and was lost" } else { "" }));
        }
    }
    Ok(())
}

/// The large job, where what was killed is tried again: it brings what a loop would bring.
fn run_repeatable(items: usize) -> Result<(), String> {
    let (pool, begun) = noting_pool(items)?;
    let before = KILLS.load(Ordering::Relaxed);
    let results = pool.job(noted_work).retries(RETRIES).map(0..items as u64).map_err(|error| error.to_string())?;
    RESULTS.fetch_add(items as u64, Ordering::Relaxed);
    let sequential = (0..items as u64).map(|n| work((n, SALT, 0)));
    if !results.into_iter().eq(sequential) {
        return Err("what was tried again does not equal what a loop brings".to_owned());
    }
    let kills = KILLS.load(Ordering::Relaxed) - before;
    let again: u64 = begun.iter().map(|begun| u64::from(begun.load(Ordering::Relaxed)).saturating_sub(1)).sum();
    if begun.iter().any(|begun| begun.load(Ordering::Relaxed) == 0) || again > kills {
        return Err(format!("{again} items have begun once more, after {kills} kills"));
    }
    Ok(())
}

/// A pool whose workers note which items have begun.
fn noting_pool(items: usize) -> Result<(Pool, Shared<[AtomicU8]>), String> {
    let begun = Shared::from_fn(items, |_| AtomicU8::new(0)).map_err(|error| error.to_string())?;
    let note = |begun: Shared<[AtomicU8]>| drop(BEGUN.set(begun));
    let pool = Pool::builder().workers(2).initializer(note, begun.clone()).build();
    Ok((pool.map_err(|error| error.to_string())?, begun))
}

/// Takes a result that is right, or an error that a kill explains. Answers which item it belongs to.
fn check(
    result: Result<(u64, u64), TaskError>,
    salt: u64,
    seen: &mut [bool],
    tally: &mut Tally,
) -> Result<u64, String> {
    RESULTS.fetch_add(1, Ordering::Relaxed);
    let n = match result {
        Ok((n, product)) if product == n.wrapping_mul(salt) => n,
        Ok((n, product)) => return Err(format!("item {n} brought {product}")),
        Err(error) => check_error(&error, tally)?,
    };
    let is_new = seen.get_mut(n as usize).is_some_and(|seen| !std::mem::replace(seen, true));
    if is_new { Ok(n) } else { Err(format!("item {n} came twice, or was never sent")) }
}

/// An error must come from a kill, and each kill explains one error.
fn check_error(error: &TaskError, tally: &mut Tally) -> Result<u64, String> {
    if error.exit_status().and_then(|status| status.signal()) != Some(9) {
        return Err(format!("an error without a killer: {error}"));
    }
    let pid = error.pid().ok_or_else(|| format!("an error without a worker: {error}"))?;
    let kills = killed(|killed| killed.get(&pid).copied().unwrap_or(0));
    let errors = tally.by_pid.entry(pid).or_default();
    (*errors, tally.errors) = (*errors + 1, tally.errors + 1);
    if *errors > kills {
        return Err(format!(
            "{errors} errors name process {pid}, which was killed {kills} times; the last is: {error}"
        ));
    }
    Ok(error.index())
}

fn all_seen(seen: &[bool]) -> Result<(), String> {
    match seen.iter().position(|seen| !seen) {
        Some(missing) => Err(format!("item {missing} of {} is missing", seen.len())),
        None => Ok(()),
    }
}

/// Kills a random worker every now and then.
fn kill_workers(mut random: Random) {
    while !IS_OVER.load(Ordering::Relaxed) {
        thread::sleep(INTERVAL);
        let workers: Vec<_> =
            active_children().into_iter().filter(|one| one.name().starts_with("PoolWorker")).collect();
        if let Some(worker) = workers.get(random.below(workers.len().max(1) as u64) as usize) {
            // Noted before, so that no error can come before its kill.
            killed(|killed| *killed.entry(worker.id()).or_default() += 1);
            KILLS.fetch_add(1, Ordering::Relaxed);
            worker.kill();
        }
    }
}

fn killed<T>(look: impl FnOnce(&mut HashMap<u32, u64>) -> T) -> T {
    look(KILLED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

/// What this process has and must give back.
#[derive(Debug, PartialEq, Eq)]
struct Belongings {
    descriptors: usize,
    threads: usize,
    children: usize,
}

impl Belongings {
    fn count() -> Result<Belongings, String> {
        let entries = |path: &str| fs::read_dir(path).map(|found| found.count()).map_err(|error| error.to_string());
        let (descriptors, threads) = (entries("/proc/self/fd")?, entries("/proc/self/task")?);
        Ok(Belongings { descriptors, threads, children: active_children().len() })
    }

    /// An error unless all is as before. The kernel may take a moment to end the last thread.
    fn compare(&self) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            let now = Belongings::count()?;
            if now == *self {
                return Ok(());
            }
            if begin.elapsed() > HANG {
                return Err(format!("something is left over: {now:?} instead of {self:?}"));
            }
            thread::yield_now();
        }
    }
}

/// The resident memory of this process in KiB.
fn memory_in_use() -> Result<usize, String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().map_err(|_| format!("cannot read `{line}`"))
}

/// Ends everything when nothing comes any more.
fn watch() {
    let (mut last, mut since) = (u64::MAX, Instant::now());
    loop {
        thread::sleep(Duration::from_millis(200));
        let results = RESULTS.load(Ordering::Relaxed);
        if results != last {
            (last, since) = (results, Instant::now());
        } else if since.elapsed() > 2 * HANG {
            println!("chaos_pool: VIOLATED: no result for {} seconds", 2 * HANG.as_secs());
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
