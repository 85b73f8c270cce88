//! Log records of workers, as the logger of the pool's process sees them.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use log::{LevelFilter, Log, Metadata, Record};
use procession_pool::Pool;
use procession_process::logs;

procession_process::init_at_load!();

/// Keeps what it is given.
struct Kept(Mutex<Vec<String>>);

static KEPT: Kept = Kept(Mutex::new(Vec::new()));

impl Log for Kept {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = format!("{} {} {}", record.level(), record.target(), record.args());
        self.0.lock().unwrap().push(line);
    }

    fn flush(&self) {}
}

fn lines_with(text: &str) -> Vec<String> {
    KEPT.0.lock().unwrap().iter().filter(|line| line.contains(text)).cloned().collect()
}

/// A record is on its way for a moment after its task has ended.
fn eventually(is_true: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(begin.elapsed() < Duration::from_secs(120), "not all records have come: {:?}", KEPT.0.lock().unwrap());
        std::thread::yield_now();
    }
}

fn note(n: u32) -> (u32, String) {
    log::warn!(target: "mill", "sack {n}");
    log::debug!(target: "mill", "nobody wants to know");
    (std::process::id(), format!("sack {n}"))
}

/// The name and number of the worker that said something.
fn speaker(line: &str) -> (&str, u32) {
    let (_, rest) = line.split_once('[').unwrap();
    let (name, pid) = rest.split_once(']').unwrap().0.split_once(' ').unwrap();
    (name, pid.parse().unwrap())
}

#[test]
fn records_of_workers_arrive_with_their_names_and_numbers() {
    log::set_logger(&KEPT).unwrap();
    log::set_max_level(LevelFilter::Trace);
    logs::forward(LevelFilter::Info).unwrap();
    let pool = Pool::builder().workers(2).initializer(|()| log::info!("prepared"), ()).build().unwrap();
    let said = pool.map(note, 0..100).unwrap();
    eventually(|| lines_with("] sack ").len() == 100);
    for (pid, text) in said {
        let lines = lines_with(&format!("] {text}"));
        let line = lines.iter().find(|line| line.ends_with(&text)).unwrap();
        let (name, speaker) = speaker(line);
        assert!(line.starts_with("WARN mill [PoolWorker-") && name.starts_with("PoolWorker-"), "{line}");
        assert_eq!(speaker, pid);
    }
    // A replacement says that it is prepared, too.
    let deaths = pool.imap(|_: u32| -> u32 { std::process::abort() }, 0..2).filter(Result::is_err).count();
    assert_eq!(deaths, 2);
    pool.map(note, 0..4).unwrap();
    eventually(|| lines_with("prepared").len() >= 3);
    assert!(lines_with("nobody wants to know").is_empty());
}
