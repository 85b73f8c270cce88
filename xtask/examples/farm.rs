//! A pool on other hosts, as the tests of the lab see it.
//!
//! `farm LAUNCHER HOST,HOST… [OPTION…]` makes a pool and prints `built`, or `not built: WHY`. Then it runs the job of each line of its
//! standard input, prints what becomes of it, and ends with the input. `LAUNCHER` is `ssh`, `slurm`, `mpi`, `local` (the hosts are a number of workers), or
//! `listen` (the hosts are `ADDRESS=KEY_FILE`). `farm key FILE` makes such a file.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, BufRead};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use procession_hosts::{Executable, Hosts};
use procession_pool::{Pool, TaskError};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    procession_hosts::init();
    let words: Vec<String> = env::args().skip(1).collect();
    if let [verb, file] = words.as_slice()
        && verb == "key"
    {
        return Ok(procession_hosts::create_key_file(file)?);
    }
    let pool = match build(&words) {
        Ok(pool) => pool,
        Err(error) => {
            println!("not built: {error}");
            return Err("no pool".into());
        }
    };
    println!("built");
    for line in io::stdin().lock().lines() {
        let line = line?;
        let start = Instant::now();
        let words: Vec<_> = line.split(' ').collect();
        let said = run(&pool, &words).unwrap_or_else(|error| format!("failed: {error}"));
        println!("{said}; {} ms", start.elapsed().as_millis());
    }
    drop(pool);
    println!("ended");
    Ok(())
}

fn build(words: &[String]) -> Outcome<Pool> {
    let [launcher, hosts, options @ ..] = words else {
        return Err("usage: farm LAUNCHER HOSTS [OPTION...]".into());
    };
    let builder = Pool::builder().local_state(|start: u64| Tally { start, calls: 0 }, 100);
    let names = hosts.split(',');
    let mut hosts = match launcher.as_str() {
        "local" => return Ok(builder.workers(hosts.parse()?).build()?),
        "ssh" => Hosts::ssh(names),
        "slurm" => Hosts::slurm(),
        "mpi" => Hosts::mpi().on(names),
        "listen" => listen(hosts)?,
        other => return Err(format!("no launcher `{other}`").into()),
    };
    for option in options {
        hosts = match option.split_once('=') {
            Some(("lease", millis)) => hosts.lease(Duration::from_millis(millis.parse()?)),
            Some(("local", workers)) => hosts.local(workers.parse()?),
            Some(("launch", millis)) => hosts.launch_timeout(Duration::from_millis(millis.parse()?)),
            None if option == "same" => hosts.executable(Executable::Same),
            None if option == "tunnelled" => hosts.tunnelled(),
            None if option == "no-rejoin" => hosts.rejoin(false),
            _ => return Err(format!("no option `{option}`").into()),
        };
    }
    Ok(builder.hosts(hosts).build()?)
}

fn listen(place: &str) -> Outcome<Hosts> {
    let (address, key_file) = place.split_once('=').ok_or("listen takes ADDRESS=KEY_FILE")?;
    Ok(Hosts::listen(address, key_file))
}

/// Runs the job that a line names.
fn run(pool: &Pool, words: &[&str]) -> Outcome<String> {
    match words {
        ["squares", count, micros, retries] => squares(pool, count.parse()?, micros.parse()?, retries.parse()?),
        ["where", count] => places(pool, count.parse()?),
        ["tour", words @ ..] => tour(pool, words),
        ["workers"] => Ok(format!("{} workers", pool.workers())),
        _ => Err("no such job".into()),
    }
}

/// `squares COUNT MICROS RETRIES`: tasks that take a time each. Prints how many have ended, at each tenth.
fn squares(pool: &Pool, count: u64, micros: u64, retries: u32) -> Outcome<String> {
    let (mut ended, mut sum, mut lost) = (0, 0, Vec::new());
    let tenth = count.div_ceil(10);
    for result in pool.job(slow_square).retries(retries).imap_unordered((0..count).map(|n| (n, micros))) {
        match result {
            Ok(square) => sum += square,
            Err(error) => lost.push(error),
        }
        ended += 1;
        if ended % tenth == 0 {
            println!("ended {ended}");
        }
    }
    let missing: u64 = lost.iter().map(|error| error.index().pow(2)).sum();
    let indices: BTreeSet<_> = lost.iter().map(TaskError::index).collect();
    let expected: u64 = (0..count).map(|n| n * n).sum();
    if ended != count || sum + missing != expected || indices.len() != lost.len() {
        return Err(format!("wrong: {ended} ended, sum {sum}, {} errors, expected {expected}", lost.len()).into());
    }
    let Some(first) = lost.first() else { return Ok(format!("right {count}")) };
    // A task fails only where it may have run on a host that was lost; all others go elsewhere.
    if let Some(error) = lost.iter().find(|error| !error.is_host_lost()) {
        return Err(format!("wrong error: {error}").into());
    }
    Ok(format!("lost {} of {count}, the first: {first}", lost.len()))
}

/// `where COUNT`: the hosts that take part when there are so many tasks.
fn places(pool: &Pool, count: u64) -> Outcome<String> {
    let names: BTreeSet<String> = pool.map(hostname, 0..count)?.into_iter().collect();
    Ok(format!("on {}", names.into_iter().collect::<Vec<_>>().join(",")))
}

/// A step of the tour: whether its results were right.
type Step = fn(&Pool) -> Outcome<bool>;

/// Each kind of job, with results that are known.
const STEPS: &[(&str, Step)] = &[
    ("map", |pool| {
        let squares = pool.map(square, 0..1_000_000)?;
        Ok(squares.len() == 1_000_000 && squares.iter().zip(0..).all(|(square, n)| *square == n * n))
    }),
    ("imap", |pool| Ok(pool.imap(square, 0..).take(1000).map(Result::ok).eq((0..1000).map(|n| Some(n * n))))),
    ("map_with", |pool| {
        let words = vec!["zero".to_owned(), "one".to_owned()];
        let lengths = pool.map_with(&words, |words: &Vec<String>, n: usize| words[n % 2].len(), 0..1000)?;
        Ok(lengths.iter().zip(0..).all(|(length, n)| *length == [4, 3][n % 2]))
    }),
    ("state", |pool| Ok(pool.map(count_calls, 0..100)?.iter().all(|calls| *calls > 100))),
    ("large values", |pool| {
        let bytes = vec![7_u8; 1 << 20];
        Ok(pool.map(echo, vec![bytes.clone(); 6])?.iter().all(|back| *back == bytes))
    }),
    ("panic", |pool| Ok(pool.apply(fail, 7).is_err_and(|error| error.is_panic()))),
    ("death", |pool| Ok(pool.apply(die, 3).is_err_and(|error| error.is_death()))),
    ("timeout", |pool| {
        let timeout = Duration::from_millis(200);
        Ok(pool.job(nap).timeout(timeout).apply(60_000).is_err_and(|error| error.is_timeout()))
    }),
    ("cancel", |pool| {
        let result = pool.apply_async(nap, 60_000);
        result.cancel();
        Ok(result.get().is_err_and(|error| error.is_cancelled()))
    }),
    ("map again", |pool| Ok(pool.map(square, 0..10_000)?.len() == 10_000)),
];

/// `tour`: all steps, or `tour STEP…` those whose names contain a word.
fn tour(pool: &Pool, words: &[&str]) -> Outcome<String> {
    let is_chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    for (name, step) in STEPS.iter().filter(|(name, _)| is_chosen(name)) {
        let start = Instant::now();
        match step(pool) {
            Ok(true) => println!("{name}: {} ms", start.elapsed().as_millis()),
            Ok(false) => return Err(format!("wrong: {name}").into()),
            Err(error) => return Err(format!("{name}: {error}").into()),
        }
    }
    Ok("tour right".into())
}

/// What each worker keeps.
struct Tally {
    start: u64,
    calls: u64,
}

fn count_calls(_: u64) -> u64 {
    let count = |tally: &mut Tally| {
        tally.calls += 1;
        tally.start + tally.calls
    };
    procession_pool::with_state(count).unwrap_or_default()
}

fn square(n: u64) -> u64 {
    n * n
}

fn slow_square((n, micros): (u64, u64)) -> u64 {
    thread::sleep(Duration::from_micros(micros));
    n * n
}

fn hostname(_: u64) -> String {
    // Long enough that no host is done before the others begin.
    thread::sleep(Duration::from_millis(5));
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

fn nap(millis: u64) {
    thread::sleep(Duration::from_millis(millis));
}

fn echo(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

fn fail(n: u64) -> u64 {
    panic!("number {n} fails")
}

fn die(status: i32) {
    std::process::exit(status)
}
