//! Starts processes with random work under all methods while it kills random ones, and their servers; checks what must hold.
//!
//! Every join must bring the right value, or the signal that was really sent; nobody may hang; in the end no zombie and no
//! descriptor may be left.

use std::time::Duration;

use procession_core::os::pidfd::PidFd;
use procession_process::{JoinError, Process, StartMethod, Stdio};

use crate::kit::{Course, Dice, Failure, HANG, children};

/// How many run at once.
const CROWD: usize = 12;

pub(crate) fn torment(course: &Course) -> Result<(), Failure> {
    let mut run = Run { dice: course.dice(), crowd: Vec::new(), counts: Counts::default() };
    let ended = run.torment(course);
    println!("chaos_process: {:?}, seed {}", run.counts, course.seed());
    ended
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

fn perform((work, n): (usize, u64)) -> Vec<u64> {
    match WORKS[work] {
        Work::Return => vec![n],
        Work::Long => {
            std::thread::sleep(Duration::from_millis(n % 20));
            vec![n]
        }
        Work::Large => vec![n; 20_000],
        Work::Panic => panic!("number {n}"),
        Work::Exit => std::process::exit(exit_code(n)),
        Work::Nest => Process::spawn(perform, (0, n)).unwrap().join().unwrap(),
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
    fn torment(&mut self, course: &Course) -> Result<(), Failure> {
        while course.goes_on(self.counts.killed + self.counts.servers_killed) {
            self.step()?;
        }
        while !self.crowd.is_empty() {
            self.finish_one()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Failure> {
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

    fn start(&mut self) -> Result<(), Failure> {
        let methods = [StartMethod::Server, StartMethod::Server, StartMethod::Spawn, StartMethod::Fork];
        let method = methods[self.dice.index(methods.len())];
        let (work, number) = (self.dice.index(WORKS.len()), self.dice.below(1 << 40));
        let builder = Process::builder().start_method(method).stderr(Stdio::Null).daemon(self.dice.below(2) == 0);
        let process = builder.spawn(perform, (work, number)).map_err(|error| format!("{method:?}: {error}"))?;
        self.counts.started += 1;
        self.crowd.push(Running { process, work: WORKS[work], number, killed: false });
        Ok(())
    }

    fn kill_one(&mut self) {
        let index = self.dice.index(self.crowd.len());
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

    fn finish_one(&mut self) -> Result<(), Failure> {
        let index = self.dice.index(self.crowd.len());
        let one = self.crowd.swap_remove(index);
        match one.process.join_timeout(HANG) {
            Ok(None) => Err(format!("{:?} of {} hangs", one.work, one.number).into()),
            Ok(Some(value)) => self.check_value(&one, &value),
            Err(error) => self.check_error(&one, &error),
        }
    }

    fn check_value(&mut self, one: &Running, value: &[u64]) -> Result<(), Failure> {
        let length = if let Work::Large = one.work { 20_000 } else { 1 };
        let returns = !matches!(one.work, Work::Panic | Work::Exit);
        self.counts.returned += 1;
        let right = returns && value.len() == length && value.iter().all(|n| *n == one.number);
        right.then_some(()).ok_or_else(|| format!("{:?} of {} brought {value:?}", one.work, one.number).into())
    }

    fn check_error(&mut self, one: &Running, error: &JoinError) -> Result<(), Failure> {
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
        right.then_some(()).ok_or_else(|| format!("{:?} of {}: {error}", one.work, one.number).into())
    }
}
