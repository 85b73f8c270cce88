//! `cluster_pi` and `tree_digest --hosts`, over an `ssh` that runs its command on this host.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use crate::support::{Ran, command, finish, run};

/// The last word is the command for the host's shell.
const SSH: &str = "#!/bin/sh\nfor last; do :; done\nexec /bin/sh -c \"$last\"\n";

/// Runs an example that finds this `ssh` before any other.
fn run_with_ssh(folder: &TempDir, name: &str, arguments: &[&str]) -> Ran {
    let ssh = folder.path().join("ssh");
    fs::write(&ssh, SSH).unwrap();
    fs::set_permissions(&ssh, Permissions::from_mode(0o700)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut command = command(name);
    command.args(arguments).env("PATH", path).env("XDG_CACHE_HOME", folder.path());
    let ran = finish(command.spawn().unwrap());
    assert!(ran.status.success(), "{}\n{}", ran.stdout, ran.stderr);
    ran
}

#[test]
fn pi_is_the_same_on_any_number_of_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let here = run("cluster_pi", &["3"]);
    assert!(here.lines()[0].starts_with("pi is about 3.14"), "{}", here.stdout);
    let there = run_with_ssh(&folder, "cluster_pi", &["3", "node1:1", "me@node2:1"]);
    assert_eq!(there.lines(), here.lines());
}

#[test]
fn files_are_digested_by_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let tree = tempfile::tempdir().unwrap();
    for number in 0..20 {
        fs::write(tree.path().join(number.to_string()), [number; 1000]).unwrap();
    }
    let tree = tree.path().to_str().unwrap();
    let there = run_with_ssh(&folder, "tree_digest", &[tree, "--hosts", "node1:1,node2:1"]);
    assert_eq!(there.lines(), run("tree_digest", &[tree]).lines());
    assert_eq!(there.lines().len(), 20);
}
