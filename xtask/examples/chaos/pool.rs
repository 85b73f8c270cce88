//! A pool under fire: jobs run while random workers are killed, and every result is checked.
//!
//! Three things take turns: jobs of random shapes on pools of random sizes, and a large job, of 1,000,000 items where there is
//! time, once with retries and once without. Every 20 milliseconds a random worker is killed. Each item must bring its right
//! result or, where nothing is tried again, an error that names signal 9 and a worker that was killed, at most one for each kill.
//! No item may be missing, come twice, or run twice without being declared repeatable, and no memory may be left over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use procession_pool::{Pool, TaskError};
use procession_process::active_children;
use procession_sync::Shared;

use crate::kit::{Course, Dice, Failure, HANG};

/// A worker is killed so often.
const INTERVAL: Duration = Duration::from_millis(20);
/// No item is killed so often.
const RETRIES: u32 = 20;
/// So much memory may come and go without being a leak, in KiB.
const SLACK: usize = 128 << 10;

static KILLED: Mutex<Option<HashMap<u32, u64>>> = Mutex::new(None);
static KILLS: AtomicU64 = AtomicU64::new(0);
static RESULTS: AtomicU64 = AtomicU64::new(0);
/// In a worker: how often each item of the large job has begun, in any of them.
static BEGUN: OnceLock<Shared<[AtomicU8]>> = OnceLock::new();

pub(crate) fn torment(course: &Course) -> Result<(), Failure> {
    let (mut tally, is_over) = (Tally::default(), AtomicBool::new(false));
    let items = if course.is_short() { 100_000 } else { 1_000_000 };
    let ended = thread::scope(|scope| {
        scope.spawn(|| kill_workers(course.dice(), &is_over));
        let ended = take_turns(course, items, &mut tally);
        is_over.store(true, Ordering::Relaxed);
        ended
    });
    let (seed, kills, results) = (course.seed(), KILLS.load(Ordering::Relaxed), RESULTS.load(Ordering::Relaxed));
    ended.map_err(|failure| format!("after {results} results and {kills} kills: {failure}"))?;
    let Tally { jobs, rounds, errors, .. } = tally;
    println!("chaos_pool: ok: seed {seed}, {jobs} random jobs, {rounds} rounds of {items} items,");
    println!("chaos_pool: {results} results, {kills} kills, {errors} items lost where nothing was tried again");
    Ok(())
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

/// Small jobs and a large one, in turns, until the run is over.
fn take_turns(course: &Course, items: usize, tally: &mut Tally) -> Result<(), Failure> {
    let (mut dice, mut memory) = (course.dice(), None);
    while tally.rounds == 0 || course.goes_on(KILLS.load(Ordering::Relaxed)) {
        run_jobs(&mut dice, tally, 20)?;
        run_large(items, tally)?;
        run_repeatable(items)?;
        tally.rounds += 1;
        // Once everything was used, nothing more may be needed.
        let now = memory_in_use()?;
        let first = *memory.get_or_insert(now);
        if now > first + SLACK {
            return Err(format!("memory in use has grown from {first} to {now} KiB").into());
        }
    }
    Ok(())
}

/// So many jobs of random shapes.
fn run_jobs(dice: &mut Dice, tally: &mut Tally, count: u64) -> Result<(), Failure> {
    let pool = Pool::new(1 + dice.index(4))?;
    for _ in 0..count {
        run_job(&pool, dice, tally)?;
        tally.jobs += 1;
    }
    Ok(())
}

fn run_job(pool: &Pool, dice: &mut Dice, tally: &mut Tally) -> Result<(), Failure> {
    let count = [1, 10, 300, 3000, 10_000][dice.index(5)];
    let rounds = [0, 10, 1000, 10_000][dice.index(4)];
    let salt = dice.any();
    let items = (0..count).map(|n| (n, salt, rounds));
    let mut seen = vec![false; count as usize];
    if dice.below(2) == 0 {
        for (n, result) in pool.imap(work, items).enumerate() {
            let index = check(result, salt, &mut seen, tally)?;
            if index != n as u64 {
                return Err(format!("item {index} came in the place of {n}").into());
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
fn run_large(items: usize, tally: &mut Tally) -> Result<(), Failure> {
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
            return Err(
                format!("item {n} has begun {begun} times{}", if is_lost { " and was lost" } else { "" }).into()
            );
        }
    }
    Ok(())
}

/// The large job, where what was killed is tried again: it brings what a loop would bring.
fn run_repeatable(items: usize) -> Result<(), Failure> {
    let (pool, begun) = noting_pool(items)?;
    let before = KILLS.load(Ordering::Relaxed);
    let results = pool.job(noted_work).retries(RETRIES).map(0..items as u64)?;
    RESULTS.fetch_add(items as u64, Ordering::Relaxed);
    let sequential = (0..items as u64).map(|n| work((n, SALT, 0)));
    if !results.into_iter().eq(sequential) {
        return Err("what was tried again does not equal what a loop brings".into());
    }
    let kills = KILLS.load(Ordering::Relaxed) - before;
    let again: u64 = begun.iter().map(|begun| u64::from(begun.load(Ordering::Relaxed)).saturating_sub(1)).sum();
    if begun.iter().any(|begun| begun.load(Ordering::Relaxed) == 0) || again > kills {
        return Err(format!("{again} items have begun once more, after {kills} kills").into());
    }
    Ok(())
}

/// A pool whose workers note which items have begun.
fn noting_pool(items: usize) -> Result<(Pool, Shared<[AtomicU8]>), Failure> {
    let begun = Shared::from_fn(items, |_| AtomicU8::new(0))?;
    let note = |begun: Shared<[AtomicU8]>| drop(BEGUN.set(begun));
    Ok((Pool::builder().workers(2).initializer(note, begun.clone()).build()?, begun))
}

/// Takes a result that is right, or an error that a kill explains. Answers which item it belongs to.
fn check(
    result: Result<(u64, u64), TaskError>,
    salt: u64,
    seen: &mut [bool],
    tally: &mut Tally,
) -> Result<u64, Failure> {
    RESULTS.fetch_add(1, Ordering::Relaxed);
    let n = match result {
        Ok((n, product)) if product == n.wrapping_mul(salt) => n,
        Ok((n, product)) => return Err(format!("item {n} brought {product}").into()),
        Err(error) => check_error(&error, tally)?,
    };
    let is_new = seen.get_mut(n as usize).is_some_and(|seen| !std::mem::replace(seen, true));
    if is_new { Ok(n) } else { Err(format!("item {n} came twice, or was never sent").into()) }
}

/// An error must come from a kill, and each kill explains one error.
fn check_error(error: &TaskError, tally: &mut Tally) -> Result<u64, Failure> {
    if error.exit_status().and_then(|status| status.signal()) != Some(9) {
        return Err(format!("an error without a killer: {error}").into());
    }
    let pid = error.pid().ok_or_else(|| format!("an error without a worker: {error}"))?;
    let kills = killed(|killed| killed.get(&pid).copied().unwrap_or(0));
    let errors = tally.by_pid.entry(pid).or_default();
    (*errors, tally.errors) = (*errors + 1, tally.errors + 1);
    if *errors > kills {
        return Err(format!(
            "{errors} errors name process {pid}, which was killed {kills} times; the last is: {error}"
        )
        .into());
    }
    Ok(error.index())
}

fn all_seen(seen: &[bool]) -> Result<(), Failure> {
    match seen.iter().position(|seen| !seen) {
        Some(missing) => Err(format!("item {missing} of {} is missing", seen.len()).into()),
        None => Ok(()),
    }
}

/// Kills a random worker every now and then, and ends everything when nothing comes any more.
fn kill_workers(mut dice: Dice, is_over: &AtomicBool) {
    let (mut last, mut since) = (0, Instant::now());
    while !is_over.load(Ordering::Relaxed) {
        thread::sleep(INTERVAL);
        kill_worker(&mut dice);
        let results = RESULTS.load(Ordering::Relaxed);
        if results != last {
            (last, since) = (results, Instant::now());
        } else if since.elapsed() > 2 * HANG {
            eprintln!("chaos_pool: no result for {} seconds", 2 * HANG.as_secs());
            std::process::exit(1);
        }
    }
}

fn kill_worker(dice: &mut Dice) {
    let workers: Vec<_> = active_children().into_iter().filter(|one| one.name().starts_with("PoolWorker")).collect();
    if let Some(worker) = workers.get(dice.index(workers.len())) {
        // Noted before, so that no error can come before its kill.
        killed(|killed| *killed.entry(worker.id()).or_default() += 1);
        KILLS.fetch_add(1, Ordering::Relaxed);
        worker.kill();
    }
}

fn killed<T>(look: impl FnOnce(&mut HashMap<u32, u64>) -> T) -> T {
    look(KILLED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

/// The resident memory of this process in KiB.
fn memory_in_use() -> Result<usize, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().map_err(|_| format!("cannot read `{line}`").into())
}
