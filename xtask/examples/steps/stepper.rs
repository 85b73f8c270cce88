//! The stepper: a traced process, and a thread that looks at what the process shares while it is stopped.

use std::error::Error;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use lexopt::{Arg, Parser, ValueExt};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use procession_channels::{PipeReceiver, one_way};
use procession_process::Process;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) type Failure = Box<dyn Error>;

/// Nothing takes so long unless it hangs, on the slowest machine.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// How long a process that is stepped may be in a system call before it counts as asleep.
const ASLEEP: Duration = Duration::from_millis(3);

/// Longer than any interval at which a waiting process looks again, but for the slices of senders that wait for space.
const LONG_STOP: Duration = Duration::from_millis(450);

/// Sent by a process to itself at the begin of each operation.
const MARK: Signal = Signal::SIGUSR1;

/// One operation, and the checks around it.
pub(crate) trait Operation {
    /// What the processes share.
    type Ends: Clone + Send + Serialize + DeserializeOwned + 'static;

    fn make() -> Self::Ends;

    /// Prepares what the operation needs.
    fn before(_ends: &Self::Ends) {}

    /// The operation, in the process that is stopped.
    fn run(ends: &Self::Ends);

    /// What must not wait for the stopped process.
    fn look(ends: &Self::Ends);

    /// What ends the operation where it waits for others.
    fn release(_ends: &Self::Ends) {}

    /// What must hold when the operation is over.
    fn after(_ends: &Self::Ends) {}
}

/// What a run was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    every: usize,
    long: usize,
}

impl Options {
    pub(crate) fn parse(mut arguments: Parser) -> Result<(Vec<String>, Options), lexopt::Error> {
        let (mut words, mut options) = (Vec::new(), Options { every: 1, long: 100 });
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("every") => options.every = arguments.value()?.parse::<usize>()?.max(1),
                Arg::Long("long") => options.long = arguments.value()?.parse::<usize>()?.max(1),
                Arg::Value(word) => words.push(word.string()?),
                other => return Err(other.unexpected()),
            }
        }
        Ok((words, options))
    }
}

/// What was tried.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    /// The number of instructions of the operation.
    pub(crate) steps: usize,
    pub(crate) stops: usize,
    /// The number of stops that lasted long.
    pub(crate) long: usize,
    pub(crate) slowest: Duration,
}

/// Stops a process at each step of an operation.
pub(crate) fn stop_at_each_step<O: Operation + 'static>(options: &Options) -> Result<Trials, Failure> {
    let ends = O::make();
    let victim = Victim::start::<O>(&ends)?;
    let survivor = Survivor::start(ends);
    let mut trials = Trials::default();
    loop {
        let steps = trials.stops * options.every;
        survivor.check(O::before, &format!("before the operation, trial {steps}"))?;
        let release = || survivor.check(O::release, &format!("when it slept before step {steps}"));
        let reached = victim.step(steps, release)?;
        if reached == Reached::Mark {
            survivor.check(O::after, "at the end")?;
            return Ok(trials);
        }
        trials.slowest = trials.slowest.max(survivor.check(O::look, &format!("while it is stopped at step {steps}"))?);
        if trials.stops % options.long == options.long - 1 {
            // The time is what is tried here, and no event.
            thread::sleep(LONG_STOP);
            survivor.check(O::look, &format!("while it is stopped for long at step {steps}"))?;
            trials.long += 1;
        }
        victim.go_on()?;
        survivor.check(O::release, &format!("after it went on from step {steps}"))?;
        victim.reach_mark().map_err(|error| format!("stopped at step {steps}: {error}"))?;
        survivor.check(O::after, &format!("after the operation that was stopped at step {steps}"))?;
        (trials.stops, trials.steps) = (trials.stops + 1, steps);
    }
}

/// Where a process has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    /// It has made all steps; at the last one it may sleep in a system call.
    Step,
    /// The operation was over before.
    Mark,
}

/// The process that is stopped.
struct Victim {
    pid: Pid,
    process: Process<()>,
}

/// Runs an operation again and again.
fn run_for_ever<O: Operation>((ends, begin): (O::Ends, PipeReceiver<()>)) {
    begin.recv().expect("the stepper lives");
    loop {
        raise(MARK).expect("a signal to itself");
        O::run(&ends);
    }
}

impl Victim {
    fn start<O: Operation + 'static>(ends: &O::Ends) -> Result<Victim, Failure> {
        let (receiver, sender) = one_way()?;
        let process = Process::builder().daemon(true).spawn(run_for_ever::<O>, (ends.clone(), receiver))?;
        let pid = Pid::from_raw(process.id().cast_signed());
        ptrace::attach(pid)?;
        waitpid(pid, None)?;
        ptrace::cont(pid, None)?;
        sender.send(())?;
        let victim = Victim { pid, process };
        victim.reach_mark()?;
        Ok(victim)
    }

    /// Waits for the next stop; `None` when it sleeps for longer than `limit`.
    fn next_stop(&self, limit: Duration) -> Result<Option<Signal>, Failure> {
        let begin = Instant::now();
        loop {
            match waitpid(self.pid, Some(WaitPidFlag::WNOHANG))? {
                WaitStatus::Stopped(_, signal) => return Ok(Some(signal)),
                WaitStatus::StillAlive if begin.elapsed() > limit => return Ok(None),
                WaitStatus::StillAlive => std::hint::spin_loop(),
                other => return Err(format!("the stepped process has ended: {other:?}").into()),
            }
        }
    }

    /// Waits for the next stop; `None` when it sleeps in a system call. One that only waits for a processor may hold a lock, and is waited for.
    fn next_stop_or_sleep(&self) -> Result<Option<Signal>, Failure> {
        loop {
            let stop = self.next_stop(ASLEEP)?;
            if stop.is_some() || is_asleep(self.pid) {
                return Ok(stop);
            }
        }
    }

    /// Has it run the given number of instructions from the mark on. Where it falls asleep before the last one, `release` ends the sleep.
    fn step(&self, steps: usize, release: impl Fn() -> Result<Duration, Failure>) -> Result<Reached, Failure> {
        for step in 1..=steps {
            ptrace::step(self.pid, None)?;
            let stop = match self.next_stop_or_sleep()? {
                Some(stop) => Some(stop),
                None => {
                    if step == steps {
                        kill(self.pid, Signal::SIGSTOP)?;
                    } else {
                        release()?;
                    }
                    self.next_stop(HANG)?
                }
            };
            if stop.ok_or("it stays in a system call")? == MARK {
                return Ok(Reached::Mark);
            }
        }
        Ok(Reached::Step)
    }

    fn go_on(&self) -> Result<(), Failure> {
        Ok(ptrace::cont(self.pid, None)?)
    }

    /// Waits for the begin of the next operation.
    fn reach_mark(&self) -> Result<(), Failure> {
        loop {
            match self.next_stop(HANG)? {
                Some(MARK) => return Ok(()),
                // One that was sent while it stopped by itself.
                Some(_) => self.go_on()?,
                None => return Err("it does not come to the end of the operation".into()),
            }
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.process.kill();
        let _killed = self.process.join();
    }
}

fn is_asleep(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
}

/// A thread of this process that does what must not wait: this one is the tracer, and must not hang.
struct Survivor<E> {
    asks: Sender<fn(&E)>,
    answers: Receiver<Duration>,
}

impl<E: Send + 'static> Survivor<E> {
    fn start(ends: E) -> Survivor<E> {
        let ((asks, asked), (answer, answers)) = (mpsc::channel::<fn(&E)>(), mpsc::channel());
        thread::spawn(move || {
            for check in asked {
                let begin = Instant::now();
                check(&ends);
                if answer.send(begin.elapsed()).is_err() {
                    return;
                }
            }
        });
        Survivor { asks, answers }
    }

    /// Runs a check. A hang or a panic of it is a failure.
    fn check(&self, check: fn(&E), when: &str) -> Result<Duration, Failure> {
        self.asks.send(check)?;
        self.answers.recv_timeout(HANG).map_err(|error| format!("{when}: {error}").into())
    }
}
