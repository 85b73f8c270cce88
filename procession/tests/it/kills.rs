//! The example `tree_digest` when its workers die, its files vanish and its reader goes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::support::{lossy, run, sha256sum, tree_digest};

/// A tree of files that take a while each, and their paths.
fn slow_tree(folder: &Path, count: usize) -> Vec<String> {
    fs::create_dir(folder.join("tree")).unwrap();
    let paths: Vec<String> = (0..count).map(|number| format!("tree/{number:03}")).collect();
    paths.iter().for_each(|path| File::create(folder.join(path)).unwrap().set_len(2 << 20).unwrap());
    paths
}

/// The workers of a process that live now.
fn workers(child: &Child) -> Vec<String> {
    let task = format!("/proc/{}/task", child.id());
    let threads = fs::read_dir(task).into_iter().flatten().flatten();
    let children = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    let children: Vec<String> =
        children.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    let name = |pid: &String| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    children.into_iter().filter(|pid| name(pid).starts_with("PoolWorker")).collect()
}

#[test]
fn a_worker_that_aborts_costs_its_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tree")).unwrap();
    for name in ["a", "b", "c", "d"] {
        fs::write(folder.path().join("tree").join(name), name).unwrap();
    }
    let output = run(folder.path(), &["tree", "--abort-on", "tree/c"].map(OsStr::new));
    assert_eq!(output.status.code(), Some(1));
    let rest = ["tree/a", "tree/b", "tree/d"].map(Into::into).to_vec();
    assert_eq!(lossy(&output.stdout), lossy(&sha256sum(folder.path(), rest)));
    let errors = lossy(&output.stderr);
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.starts_with("tree_digest: tree/c: ") && errors.contains("signal 6 (SIGABRT)"), "{errors}");
}

#[test]
fn ten_kills_lose_at_most_the_files_that_were_being_read() {
    let folder = tempfile::tempdir().unwrap();
    let paths = slow_tree(folder.path(), 150);
    let mut command = Command::new(tree_digest());
    command.current_dir(folder.path()).args(["tree", "--workers", "2"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |stream: &mut dyn Read| {
        let mut text = Vec::new();
        stream.read_to_end(&mut text).map(|_| text).unwrap()
    };
    let out = thread::spawn(move || read(&mut out));
    let err = thread::spawn(move || read(&mut err));
    let mut killed = Vec::new();
    while killed.len() < 10 && child.try_wait().unwrap().is_none() {
        // Each worker once: one that was killed may be seen for a moment longer.
        if let Some(pid) = workers(&child).into_iter().find(|pid| !killed.contains(pid)) {
            Command::new("kill").args(["-KILL", &pid]).stderr(Stdio::null()).status().unwrap();
            killed.push(pid);
        }
    }
    let status = child.wait().unwrap();
    let (out, errors) = (out.join().unwrap(), lossy(&err.join().unwrap()));
    let is_lost = |path: &String| errors.lines().any(|line| line.starts_with(&format!("tree_digest: {path}: ")));
    let (lost, rest): (Vec<String>, Vec<String>) = paths.into_iter().partition(is_lost);
    assert!(lost.len() <= killed.len(), "{} kills: {errors}", killed.len());
    assert_eq!(errors.lines().count(), lost.len(), "{errors}");
    assert!(errors.lines().all(|line| line.contains("signal 9 (SIGKILL)")), "{errors}");
    assert_eq!(lossy(&out), lossy(&sha256sum(folder.path(), rest.into_iter().map(Into::into).collect())));
    assert_eq!(status.code(), Some(i32::from(!lost.is_empty())));
}

#[test]
fn files_that_vanish_meanwhile_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let paths = slow_tree(folder.path(), 60);
    let mut command = Command::new(tree_digest());
    command.current_dir(folder.path()).args(["tree", "--workers", "1"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Whenever they go, each file is either digested as it was, or reported, or was never found.
    paths.iter().rev().for_each(|path| fs::remove_file(folder.path().join(path)).unwrap());
    let output = child.wait_with_output().unwrap();
    let errors = lossy(&output.stderr);
    assert!(errors.lines().all(|line| line.contains("No such file")), "{errors}");
    assert_eq!(output.status.code(), Some(i32::from(!errors.is_empty())));
    assert!(lossy(&output.stdout).lines().count() + errors.lines().count() <= paths.len());
}

#[test]
fn a_reader_that_goes_is_no_fuss() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tree")).unwrap();
    (0..50).for_each(|number| fs::write(folder.path().join(format!("tree/{number}")), "").unwrap());
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = Command::new(tree_digest());
    command.current_dir(folder.path()).arg("tree").stdout(writer).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    drop((command, reader));
    let output = child.wait_with_output().unwrap();
    assert_eq!((lossy(&output.stderr).as_str(), output.status.code()), ("", Some(1)));
}

#[test]
fn an_output_that_is_full_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(tree_digest());
    let output = command.current_dir(folder.path()).arg("file").stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        lossy(&output.stderr).starts_with("tree_digest: standard output: No space left"),
        "{}",
        lossy(&output.stderr)
    );
}
