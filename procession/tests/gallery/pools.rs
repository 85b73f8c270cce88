//! `pool_commands`, `pool_squares`, `file_sizes`, `survivor`, `hostile_files`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::symlink;

use crate::support::{run, run_to_any_end};

/// A command that ends when `count` of its kind have begun, and fails if they never do.
fn meeting(folder: &str, name: usize, count: usize) -> String {
    format!(
        "cd {folder}; touch {name}; tries=0; \
         until [ $(ls | wc -l) -ge {count} ]; do tries=$((tries+1)); [ $tries -lt 6000 ] || exit 1; sleep 0.01; done"
    )
}

#[test]
fn three_commands_run_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let commands: Vec<_> = (0..3).map(|name| meeting(folder.path().to_str().unwrap(), name, 3)).collect();
    let ran = run("pool_commands", &commands.iter().map(String::as_str).collect::<Vec<_>>());
    let logs: Vec<_> = ran.lines().into_iter().filter(|line| line.ends_with(" s, succeeded")).collect();
    assert_eq!(logs.len(), 3, "{}", ran.stdout);
    let pids: BTreeSet<_> = logs.iter().map(|line| line.split_once("] ").unwrap().0).collect();
    assert_eq!(pids.len(), 3, "each has a worker of its own: {pids:?}");
    assert!(ran.lines().last().unwrap().starts_with("0 failed, "));
}

#[test]
fn output_is_kept_together_and_failures_are_told() {
    let ran =
        run_to_any_end("pool_commands", &["echo one; echo two", "echo why >&2; exit 3", "no-such-command", "true"]);
    assert_eq!(ran.status.code(), Some(1));
    let place = ran.lines().iter().position(|line| line.contains("`echo one; echo two` began at ")).unwrap();
    assert_eq!(ran.lines()[place + 1..place + 3], ["one", "two"]);
    assert!(ran.stdout.contains(" s, FAILED: exit status: 3: why\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains(" s, FAILED: exit status: 127: "), "{}", ran.stdout);
    assert!(ran.lines().last().unwrap().starts_with("2 failed, "));
}

#[test]
fn without_arguments_the_classic_three_commands_run() {
    let ran = run_to_any_end("pool_commands", &[]);
    for command in ["`ls` began", "`df -h` began", "`du -h` began"] {
        assert_eq!(ran.lines().iter().filter(|line| line.contains(command)).count(), 1, "{}", ran.stdout);
    }
}

#[test]
fn file_sizes_come_largest_first() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path();
    fs::create_dir_all(tree.join("deep/deeper")).unwrap();
    for (name, size) in [("a", 10), ("deep/b", 3000), ("deep/deeper/c", 200), ("d", 0), ("deep/e", 200)] {
        File::create(tree.join(name)).unwrap().set_len(size).unwrap();
    }
    symlink("a", tree.join("link")).unwrap();
    let tree = tree.to_str().unwrap();
    let ran = run("file_sizes", &[tree]);
    let expected = [(3000, "deep/b"), (200, "deep/deeper/c"), (200, "deep/e"), (10, "a"), (0, "d")];
    assert_eq!(ran.lines(), expected.map(|(size, name)| format!("{size:>12} {tree}/{name}")));
}

#[test]
fn survivor_loses_workers_and_nothing_else() {
    let undisturbed = run("survivor", &["--items", "300", "--kill-every", "1000"]);
    assert_eq!(undisturbed.lines()[1], "0 workers killed, 0 items done once more for it");
    let killed = run("survivor", &["--items", "300", "--kill-every", "20", "--workers", "3"]);
    assert_eq!(killed.lines()[0], undisturbed.lines()[0], "every item was done, and counted once");
    assert!(killed.lines()[0].starts_with("300 items, sum "));
    let words: Vec<_> = killed.lines()[1].split(' ').collect();
    let (kills, lost): (u32, u32) = (words[0].parse().unwrap(), words[3].parse().unwrap());
    assert!((1..=15).contains(&kills), "{}", killed.stdout);
    assert!(lost <= kills, "a death costs one item at the most: {}", killed.stdout);
    assert!(killed.lines()[2].ends_with(" items a second"));
}

#[test]
fn apply_waits_for_each_and_apply_async_gives_out_all() {
    let ran = run("pool_squares", &[]);
    let lines = ran.lines();
    for number in 0..5 {
        let expected = [
            format!("main: wants the square of {number}"),
            format!("worker: squares {number}"),
            format!("main: has got {}", number * number),
        ];
        assert_eq!(lines[3 * number..3 * number + 3], expected);
    }
    assert_eq!(lines[15], "main: has given out 5 tasks, 0 are ready");
    assert_eq!(lines[16..21], [25, 36, 49, 64, 81].map(|square| format!("main: has got {square}")));
    assert!(lines[21].starts_with("main: after `close`: ") && lines[21].contains("closed"), "{}", lines[21]);
    assert_eq!(lines[22..], ["main: 0 workers are left"]);
}

#[test]
fn hostile_files_hurt_nobody_but_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let files =
        [("good", "three good words"), ("panic", "a PANIC"), ("crash", "CRASH"), ("loop", "LOOP"), ("end", "fine")];
    let mut paths = Vec::new();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        paths.push(path.to_str().unwrap().to_owned());
    }
    paths.push(folder.path().join("missing").to_str().unwrap().to_owned());
    let ran = run("hostile_files", &paths.iter().map(String::as_str).collect::<Vec<_>>());
    let expected = [
        "3 words",
        "the parser panicked: a word that cannot be",
        "the parser crashed: signal 6",
        "takes too long",
        "1 words",
        "cannot be read: No such file or directory (os error 2)",
    ];
    let told: Vec<_> = paths.iter().zip(expected).map(|(path, told)| format!("{path}: {told}")).collect();
    assert_eq!(ran.lines(), told, "{}", ran.stderr);
}
