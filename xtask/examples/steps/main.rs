//! Stops a process after each instruction of an operation, and checks that all others go on, and that it goes on afterwards.
//!
//! `steps [NAME...] [--every N] [--long N]`: the operations whose names contain one of the words; only every `N`th instruction; at every
//! `N`th stop it stays stopped for longer than any interval at which a waiting process looks again.
//!
//! A process runs one operation again and again, single-stepped by this one. At each stop a survivor does what must not wait for it: each
//! `try_` call, each call with a timeout, and what other processes do without it. Then it goes on, and must come to the end of the operation.
#![forbid(unsafe_code)]

mod channels;
mod locks;
mod manager;
mod stepper;

use std::process::ExitCode;

use stepper::{Failure, Options, Trials, stop_at_each_step};

/// An operation that a process is stopped in.
type Operation = (&'static str, fn(&Options) -> Result<Trials, Failure>);

const OPERATIONS: &[Operation] = &[
    ("queue-send", stop_at_each_step::<channels::Send>),
    ("queue-send-large", stop_at_each_step::<channels::SendLarge>),
    ("queue-send-descriptor", stop_at_each_step::<channels::SendDescriptor>),
    ("queue-recv", stop_at_each_step::<channels::Recv>),
    ("queue-recv-sleeping", stop_at_each_step::<channels::RecvSleeping>),
    ("queue-send-waiting", stop_at_each_step::<channels::SendWaiting>),
    ("queue-wait-many", stop_at_each_step::<channels::WaitMany>),
    ("queue-task-done", stop_at_each_step::<channels::TaskDone>),
    ("mutex", stop_at_each_step::<locks::Locking>),
    ("rwlock-read", stop_at_each_step::<locks::Reading>),
    ("rwlock-write", stop_at_each_step::<locks::Writing>),
    ("semaphore", stop_at_each_step::<locks::Permit>),
    ("event-set", stop_at_each_step::<locks::Setting>),
    ("condvar-notify", stop_at_each_step::<locks::Notifying>),
    ("barrier", stop_at_each_step::<locks::Meeting>),
    ("manager-call", stop_at_each_step::<manager::Call>),
    ("manager-post", stop_at_each_step::<manager::Post>),
    ("manager-lock", stop_at_each_step::<manager::Lock>),
];

fn main() -> ExitCode {
    procession_process::init();
    let (words, options) = match Options::parse(lexopt::Parser::from_env()) {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("steps: {error}; usage: steps [NAME...] [--every N] [--long N]");
            return ExitCode::from(2);
        }
    };
    println!("{:<24} {:>8} {:>8} {:>8} {:>14}", "operation", "steps", "stops", "long", "slowest look");
    let is_chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let mut failed = 0;
    for (name, run) in OPERATIONS.iter().filter(|(name, _)| is_chosen(name)) {
        match run(&options) {
            Ok(Trials { steps, stops, long, slowest }) => {
                println!("{name:<24} {steps:>8} {stops:>8} {long:>8} {slowest:>14.1?}");
            }
            Err(failure) => {
                failed += 1;
                println!("{name:<24} FAILED: {failure}");
            }
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
