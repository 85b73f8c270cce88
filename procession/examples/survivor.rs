//! A pool at work while its workers are killed, one after the other. Nothing is lost, and it says how it went.
//!
//! ```text
//! cargo run --release --example survivor -- [--items N] [--kill-every N] [--workers N]
//! ```
//!
//! Each time so many results have come, one of the workers gets SIGKILL. What it was working on comes back as an error
//! that says so, and is given to the pool again; whatever else it had been given goes to others at once.

use std::error::Error;
use std::io::{self, IsTerminal};
use std::num::NonZeroU64;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use lexopt::prelude::{Long, ValueExt};
use procession::{Pool, process};

/// What was asked for.
struct Plan {
    items: u64,
    kill_every: NonZeroU64,
    workers: usize,
}

/// What has happened.
#[derive(Default)]
struct Statistics {
    done: u64,
    sum: u64,
    kills: u64,
    deaths: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let plan = Plan::parse()?;
    let beginning = Instant::now();
    let bar = progress_bar(plan.items);
    let statistics = work(&plan, &bar)?;
    bar.finish_and_clear();
    let seconds = beginning.elapsed().as_secs_f64();
    println!("{} items, sum {}", plan.items, statistics.sum);
    println!("{} workers killed, {} items done once more for it", statistics.kills, statistics.deaths);
    println!("{seconds:.2} s, {:.0} items a second", plan.items as f64 / seconds);
    Ok(())
}

impl Plan {
    fn parse() -> Result<Plan, lexopt::Error> {
        let often = NonZeroU64::new(50).expect("it is 50");
        let mut plan = Plan { items: 2000, kill_every: often, workers: process::cpu_count().max(2) };
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("items") => plan.items = arguments.value()?.parse()?,
                Long("kill-every") => plan.kill_every = arguments.value()?.parse()?,
                Long("workers") => plan.workers = arguments.value()?.parse()?,
                other => return Err(other.unexpected()),
            }
        }
        Ok(plan)
    }
}

fn work(plan: &Plan, bar: &ProgressBar) -> Result<Statistics, Box<dyn Error>> {
    let pool = Pool::new(plan.workers)?;
    let mut statistics = Statistics::default();
    let mut open: Vec<u64> = (0..plan.items).collect();
    while !open.is_empty() {
        let mut lost = Vec::new();
        for result in pool.imap_unordered(longest_walk, open.iter().copied()) {
            match result {
                Ok(steps) => statistics.add(steps, plan, bar),
                Err(error) if error.is_death() => lost.push(open[usize::try_from(error.index())?]),
                Err(error) => return Err(error.into()),
            }
        }
        statistics.deaths += lost.len();
        open = lost;
    }
    Ok(statistics)
}

/// The task: the most steps that a number of this block of thousand takes down to 1, if it is halved when it is even,
/// and else tripled and increased by 1.
fn longest_walk(block: u64) -> u64 {
    (block * 1000 + 1..=block * 1000 + 1000).map(steps).max().unwrap_or(0)
}

fn steps(mut number: u64) -> u64 {
    let mut steps = 0;
    while number != 1 {
        number = if number.is_multiple_of(2) { number / 2 } else { 3 * number + 1 };
        steps += 1;
    }
    steps
}

impl Statistics {
    fn add(&mut self, steps: u64, plan: &Plan, bar: &ProgressBar) {
        self.done += 1;
        self.sum += steps;
        if self.done.is_multiple_of(plan.kill_every.get()) && kill_a_worker(self.done) {
            self.kills += 1;
        }
        bar.inc(1);
        bar.set_message(format!("{} workers killed", self.kills));
    }
}

/// Whether there was one.
fn kill_a_worker(choice: u64) -> bool {
    let mut workers = process::active_children();
    workers.retain(|child| child.name().starts_with("PoolWorker-"));
    if workers.is_empty() {
        return false;
    }
    workers[choice as usize % workers.len()].kill();
    true
}

/// A bar on stderr, if that is a terminal.
fn progress_bar(length: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}, {per_sec}, {eta} left, {msg}");
    style.map_or(bar.clone(), |style| bar.with_style(style))
}
