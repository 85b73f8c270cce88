//! Starts processes with random work under all methods while it kills random ones, and their servers; checks what must hold.
//!
//! `cargo run --release -p procession-process --example chaos_process -- --seconds 20 --seed 7`. Every join must bring the
//! right value, or the signal that was really sent; nobody may hang; in the end no zombie and no descriptor may be left.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use procession_core::os::pidfd::PidFd;
use procession_process::{JoinError, Process, StartMethod, Stdio, stop_server};

/// Nobody takes so long unless it hangs.
const HANG: Duration = Duration::from_secs(60);
/// How many run at once.
const CROWD: usize = 12;

/// Numbers that look random and can be had again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

struct Options {
    seconds: u64,
    seed: u64,
}

impl Options {
    fn parse() -> Result<Options, String> {
        let mut options = Options { seconds: 10, seed: 1 };
        let mut words = std::env::args().skip(1);
        while let Some(name) = words.next() {
            let value = words.next().and_then(|word| word.parse().ok()).ok_or(format!("{name} needs a number"))?;
            match name.as_str() {
                "--seconds" => options.seconds = value,
                "--seed" => options.seed = value,
                _ => return Err(format!("unknown option {name}: use --seconds N, --seed N")),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    procession_process::init();
    let options = match Options::parse() {
        Ok(options) => options,
        Err(text) => return fail(&text),
    };
    let mut run = Run { dice: Dice(options.seed | 1), crowd: Vec::new(), counts: Counts::default() };
    let ended = run.torment(Duration::from_secs(options.seconds));
    println!("chaos_process: {:?}, seed {}", run.counts, options.seed);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => fail(&format!("{text} (seed {})", options.seed)),
    }
}

fn fail(text: &str) -> ExitCode {
    eprintln!("chaos_process: {text}");
    ExitCode::FAILURE
}

/// What a child does with its number.
#[derive(Clone, Copy, Debug)]
enum Work {
    Return,
    Long,
    Large,
    Panic,
    Exit,
    Nest,
}

const WORKS: [Work; 6] = [Work::Return, Work::Long, Work::Large, Work::Panic, Work::Exit, Work::Nest];

fn work((kind, n): (u64, u64)) -> Vec<u64> {
    match WORKS[usize::try_from(kind).unwrap_or(0)] {
        Work::Return => vec![n],
        Work::Long => {
            std::thread::sleep(Duration::from_millis(n % 20));
            vec![n]
        }
        Work::Large => vec![n; 20_000],
        Work::Panic => panic!("number {n}"),
        Work::Exit => std::process::exit(exit_code(n)),
        Work::Nest => Process::spawn(work, (0, n)).unwrap().join().unwrap(),
    }
}

fn exit_code(n: u64) -> i32 {
    i32::try_from(n % 1000).unwrap_or(0)
}

struct Running {
    process: Process<Vec<u64>>,
    work: Work,
    number: u64,
    killed: bool,
}

#[derive(Debug, Default)]
struct Counts {
    started: u64,
    returned: u64,
    panicked: u64,
    exited: u64,
    killed: u64,
    servers_killed: u64,
}

struct Run {
    dice: Dice,
    crowd: Vec<Running>,
    counts: Counts,
}

impl Run {
    fn torment(&mut self, time: Duration) -> Result<(), String> {
        // The first daemon's lifeline and the server stay, so they are there before anything is counted.
        let builder = Process::builder().daemon(true).spawn(work, (0, 0)).map_err(|error| error.to_string())?;
        builder.join().map_err(|error| error.to_string())?;
        stop_server();
        let before = descriptors();
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.step()?;
        }
        while !self.crowd.is_empty() {
            self.finish_one()?;
        }
        stop_server();
        let (after, zombies) = (descriptors(), children());
        if after != before || !zombies.is_empty() {
            return Err(format!("{before} descriptors became {after}, and these children stayed: {zombies:?}"));
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        match self.dice.below(8) {
            0..=3 if self.crowd.len() < CROWD => self.start(),
            4 => {
                self.kill_one();
                Ok(())
            }
            5 if self.dice.below(4) == 0 => {
                self.kill_server();
                Ok(())
            }
            _ if self.crowd.is_empty() => self.start(),
            _ => self.finish_one(),
        }
    }

    fn start(&mut self) -> Result<(), String> {
        let methods = [StartMethod::Server, StartMethod::Server, StartMethod::Spawn, StartMethod::Fork];
        let method = methods[self.pick(methods.len())];
        let (kind, number) = (self.dice.below(WORKS.len() as u64), self.dice.below(1 << 40));
        let builder = Process::builder().start_method(method).stderr(Stdio::Null).daemon(self.dice.below(2) == 0);
        let process = builder.spawn(work, (kind, number)).map_err(|error| format!("{method:?}: {error}"))?;
        self.counts.started += 1;
        self.crowd.push(Running { process, work: WORKS[usize::try_from(kind).unwrap_or(0)], number, killed: false });
        Ok(())
    }

    fn pick(&mut self, length: usize) -> usize {
        usize::try_from(self.dice.below(length.max(1) as u64)).unwrap_or(0)
    }

    fn kill_one(&mut self) {
        let index = self.pick(self.crowd.len());
        if let Some(victim) = self.crowd.get_mut(index) {
            victim.process.kill();
            victim.killed = true;
        }
    }

    /// The server is the child that was not started by name.
    fn kill_server(&mut self) {
        let known: Vec<u32> = self.crowd.iter().map(|one| one.process.id()).collect();
        for pid in children().into_iter().filter(|pid| !known.contains(pid)) {
            if PidFd::open(pid).and_then(|server| server.signal(9)).unwrap_or(false) {
                self.counts.servers_killed += 1;
            }
        }
    }

    fn finish_one(&mut self) -> Result<(), String> {
        let index = self.pick(self.crowd.len());
        let one = self.crowd.swap_remove(index);
        match one.process.join_timeout(HANG) {
            Ok(None) => Err(format!("{:?} of {} hangs", one.work, one.number)),
            Ok(Some(value)) => self.check_value(&one, &value),
            Err(error) => self.check_error(&one, &error),
        }
    }

    fn check_value(&mut self, one: &Running, value: &[u64]) -> Result<(), String> {
        let length = if let Work::Large = one.work { 20_000 } else { 1 };
        let returns = !matches!(one.work, Work::Panic | Work::Exit);
        self.counts.returned += 1;
        let right = returns && value.len() == length && value.iter().all(|n| *n == one.number);
        right.then_some(()).ok_or_else(|| format!("{:?} of {} brought {value:?}", one.work, one.number))
    }

    fn check_error(&mut self, one: &Running, error: &JoinError) -> Result<(), String> {
        let status = error.exit_status().ok_or_else(|| error.to_string())?;
        let (tally, right) = match one.work {
            _ if status.signal() == Some(9) => (&mut self.counts.killed, one.killed),
            Work::Panic => {
                let said = error.panic().is_some_and(|panic| panic.message() == format!("number {}", one.number));
                (&mut self.counts.panicked, said)
            }
            Work::Exit => (&mut self.counts.exited, status.code() == Some(exit_code(one.number))),
            _ => (&mut self.counts.killed, false),
        };
        *tally += 1;
        right.then_some(()).ok_or_else(|| format!("{:?} of {}: {error}", one.work, one.number))
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// The numbers of this process's children, zombies included.
fn children() -> Vec<u32> {
    let mine = std::process::id();
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    let all = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|pid| parent_of(*pid) == Some(mine)).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
