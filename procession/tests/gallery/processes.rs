//! `hello_process`, `daemon`, `task_struct`.

use crate::support::run;

/// The number after a word.
fn number(line: &str, word: &str) -> u32 {
    let rest = line.split_once(&format!("{word} ")).unwrap_or_else(|| panic!("no {word:?} in {line:?}")).1;
    rest.split(|other: char| !other.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[test]
fn hello_process_tells_who_is_who_in_order() {
    let ran = run("hello_process", &[]);
    let lines = ran.lines();
    assert_eq!(lines.len(), 5, "{}", ran.stdout);
    assert!(lines[0].starts_with("main: MainProcess, process ") && lines[0].ends_with("parent none of ours"));
    assert!(lines[1].starts_with("child: Process-1, process "));
    let (main, child) = (number(lines[0], "process"), number(lines[1], "process"));
    assert_ne!(main, child);
    assert_eq!(number(lines[1], "parent"), main);
    assert_eq!(lines[2], "child: hello bob");
    assert_eq!(lines[3], format!("main: process {child} has ended with exit code 0"));
    assert_eq!(lines[4], "main: its function has returned 3");
}

#[test]
fn a_daemon_never_prints_its_end_and_a_worker_does_though_main_has_returned() {
    // That the program's output ends at all says that the daemon is gone: it would hold the pipe for an hour.
    let ran = run("daemon", &[]);
    let main = ran.place("main: returns");
    assert!(ran.place("daemon: begins") < main && ran.place("worker: begins") < main);
    assert!(main < ran.place("worker: ends"));
    assert_eq!(ran.lines().len(), 4, "{}", ran.stdout);
}

#[test]
fn task_struct_lists_its_children_and_takes_their_values() {
    let ran = run("task_struct", &[]);
    let lines = ran.lines();
    assert_eq!(number(lines[0], "may use") as usize, procession::process::cpu_count());
    let mut pids = Vec::new();
    for task in 1..=3 {
        let line = lines.iter().find(|line| line.starts_with(&format!("task-{task} runs as process ")));
        pids.push(number(line.expect("all of them are listed"), "process"));
        assert_eq!(ran.place(&format!("task-{task} has returned {}", task * task)), 3 + task);
    }
    pids.dedup();
    assert_eq!(pids.len(), 3);
    assert_eq!(lines[7..], ["0 are left"]);
}
