//! Whole programs: without `init`, with trouble before it, deleted while they run, at their exit, and killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use procession_core::os::pidfd::PidFd;

use crate::support::{becomes_readable, eventually, example};

struct Output {
    status: ExitStatus,
    out: String,
    err: String,
}

fn run(program: &Path, arguments: &[&str]) -> Output {
    let done = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Output { status: done.status, out: text(done.stdout), err: text(done.stderr) }
}

#[test]
fn m12_without_init_nothing_is_executed_and_the_error_says_what_to_add() {
    let output = run(&example("without_init"), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", output.err);
    assert!(output.err.contains("put `procession::init();` first in `main`"), "{}", output.err);
    // Had it been executed once more, there would be a second greeting.
    assert_eq!(output.out, "main begins\n");
}

#[test]
fn trouble_before_init_is_told_at_once_with_the_last_lines() {
    for method in ["server", "spawn"] {
        let panicked = run(&example("early_trouble"), &["panic", method]).out;
        assert!(panicked.contains("exit code 101 before it called the function"), "{panicked}");
        assert!(panicked.contains("trouble in the first line"), "{panicked}");
        let exited = run(&example("early_trouble"), &["exit", method]).out;
        assert!(exited.contains("exit code 3 before it called the function"), "{exited}");
        assert!(exited.contains("leaving early"), "{exited}");
        let killed = run(&example("early_trouble"), &["abort", method]).out;
        assert!(killed.contains("signal 6 (SIGABRT)"), "{killed}");
    }
}

#[test]
fn what_is_printed_before_init_is_printed_once() {
    let output = run(&example("early_words"), &[]);
    let count = |word| output.out.matches(word).count();
    assert_eq!((count("early "), count("child ")), (1, 3), "{}{}", output.out, output.err);
}

#[test]
fn started_through_the_loader_a_program_executes_nobody_else() {
    let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"].map(Path::new);
    let Some(loader) = loaders.into_iter().find(|one| one.exists()) else {
        return eprintln!("left out, because there is no loader where one was looked for");
    };
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("touched");
    let program = example("early_words");
    let output = run(loader, &[program.to_str().unwrap(), "/usr/bin/touch", victim.to_str().unwrap()]);
    assert!(output.err.contains("start the program directly"), "{}", output.err);
    assert!(!output.status.success() && !victim.exists());
}

#[test]
fn a_mark_that_was_made_for_another_is_not_believed() {
    let run = |mark: &str| {
        let done = Command::new(example("early_words")).env("PROCESSION_CHILD", mark).output().unwrap();
        (done.status.code(), String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap())
    };
    for stale in ["", "1", "1.1.99", "yes"] {
        let (code, out, err) = run(stale);
        assert_eq!((code, out.matches("child ").count()), (Some(0), 3), "{err}");
    }
    // Ours, and yet without a link: whatever is open there is left alone.
    let (code, out, err) = run(&format!("1.{}.99", std::process::id()));
    assert_eq!((code, out.contains("child")), (Some(1), false), "{err}");
    assert!(err.contains("descriptor 3 is no link to a parent"), "{err}");
}

#[test]
fn threads_before_init_are_refused_by_the_server_and_no_trouble_otherwise() {
    let refused = run(&example("early_trouble"), &["thread", "server"]).out;
    assert!(refused.contains("make `init` the first line of `main`"), "{refused}");
    assert!(refused.contains("#[tokio::main]") && refused.contains("init_at_load!"), "{refused}");
    let fine = run(&example("early_trouble"), &["thread", "spawn"]).out;
    assert_eq!(fine, "it brought 4\n");
}

#[test]
fn a_program_that_is_deleted_or_replaced_while_it_runs_still_starts_processes() {
    for way in ["deleted", "replaced"] {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::copy(example("vanishing"), &program).unwrap();
        let output = run(&program, &[way]);
        assert_eq!(output.out, "fork 1, server 2, spawn 3\n", "{way}: {}", output.err);
    }
}

#[test]
fn m22_at_exit_daemons_are_terminated_and_others_joined() {
    for way in ["return", "exit", "thread"] {
        let folder = tempfile::tempdir().unwrap();
        // Not the program's stdout, whose end would come only with the end of all that hold it.
        let mut program = Command::new(example("farewell"));
        let status = program.arg(way).arg(folder.path()).status().unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        assert_eq!(status.code(), Some(if way == "return" { 0 } else { 7 }), "{way}");
        assert_eq!(read("other"), "done", "{way}: the program ended before its child");
        let daemon: u32 = read("daemon").parse().unwrap();
        assert!(!Path::new("/proc").join(daemon.to_string()).exists(), "{way}: the daemon lives");
        assert_eq!(read("survivor"), "", "{way}: the daemon went on");
    }
}

#[test]
fn p04_daemons_are_gone_when_their_parent_is_killed_and_others_see_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Command::new(example("orphans"))
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pids: Vec<u32> = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
    assert_eq!(pids.len(), 4, "three daemons and a daemon's daemon: {line}");
    let daemons: Vec<PidFd> = pids.iter().map(|pid| PidFd::open(*pid).unwrap()).collect();
    assert!(daemons.iter().all(|one| !one.has_ended().unwrap()));
    program.kill().unwrap();
    program.wait().unwrap();
    for (daemon, what) in daemons.iter().zip(["fork", "server", "spawn", "below a daemon"]) {
        assert!(becomes_readable(daemon), "the daemon lives: {what}");
    }
    let report = folder.path().join("watcher");
    eventually("the report of the child that watches", || {
        fs::read_to_string(&report).is_ok_and(|text| text == "alive, gone")
    });
}

#[test]
fn an_exit_that_waits_says_for_whom() {
    let mut program = Command::new(example("stubborn"))
        .arg("other")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stderr.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("this program has failed"));
    let told = lines.next().unwrap().unwrap();
    assert!(told.contains("waiting for process `patient` (pid ") && told.contains("no daemon"), "{told}");
    assert!(program.try_wait().unwrap().is_none(), "it was not waited for");
    drop(program.stdin.take());
    assert_eq!(program.wait().unwrap().code(), Some(1));
}

#[test]
fn daemons_that_ignore_the_request_to_end_are_killed_together() {
    let begin = std::time::Instant::now();
    let output = run(&example("stubborn"), &["daemons", "40"]);
    assert!(output.status.success(), "{}", output.err);
    for pid in output.out.lines() {
        assert!(!Path::new("/proc").join(pid).exists(), "daemon {pid} lives");
    }
    // One after the other they would take 40 seconds.
    assert!(begin.elapsed().as_secs() < 30, "{:?}", begin.elapsed());
}

#[test]
fn a_child_that_does_not_end_although_it_was_killed_holds_up_no_start_and_is_reaped_by_the_next() {
    // On a busy machine the start may be over before its child is traced; then it gets more time.
    assert!(
        [1, 4, 16, 64].into_iter().any(|seconds| is_given_up_and_reaped(seconds * 1000)),
        "nothing was traced in time"
    );
}

/// Holds a child back at its exit, as a kernel does in which it hangs. Returns whether it could be held back.
fn is_given_up_and_reaped(start_time: u32) -> bool {
    use nix::sys::{ptrace, wait};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("child");
    let mut program = Command::new(example("unkillable"));
    program.arg(&file).arg(start_time.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut program = program.spawn().unwrap();
    eventually("the child", || file.exists());
    let child = nix::unistd::Pid::from_raw(fs::read_to_string(&file).unwrap().parse().unwrap());
    let is_traced = ptrace::seize(child, ptrace::Options::PTRACE_O_TRACEEXIT).is_ok();
    // The program says that the start is over, although its child is still there.
    assert!(!is_traced || becomes_readable(program.stdout.as_ref().unwrap()), "it waits for a child that does not end");
    let event = wait::WaitPidFlag::__WALL;
    let is_held = is_traced && matches!(wait::waitpid(child, Some(event)), Ok(wait::WaitStatus::PtraceEvent(..)));
    if is_held {
        ptrace::detach(child, None).unwrap();
        let stat = format!("/proc/{child}/stat");
        eventually("its end", || fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z ")));
    }
    drop(program.stdin.take());
    let out = String::from_utf8(program.wait_with_output().unwrap().stdout).unwrap();
    assert!(!is_held || out.contains("\n0 children\n"), "{out}");
    is_held
}
