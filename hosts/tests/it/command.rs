//! Agents that a command line starts.

use std::fs;
use std::io::Write;
use std::time::Duration;

use procession_hosts::{Executable, Hosts};
use procession_pool::Pool;

use crate::support::{here, tasks, wait_until};

#[test]
fn a_map_over_hosts_is_as_on_one_machine() {
    let pool = Pool::builder().hosts(here(&["a:1", "b:1"])).build().unwrap();
    let squares = pool.map(tasks::square, 0..10_000).unwrap();
    assert_eq!(squares, (0..10_000).map(tasks::square).collect::<Vec<_>>());
    assert_eq!(pool.apply(tasks::square, 12).unwrap(), 144);
    let some: u64 = pool.imap(tasks::square, 0..).take(100).map(Result::unwrap).sum();
    assert_eq!(some, (0..100).map(tasks::square).sum());
}

#[test]
fn agents_talk_through_their_launcher_where_they_are_told_to() {
    let pool = Pool::builder().hosts(here(&["a:1", "b:1"]).tunnelled()).build().unwrap();
    let squares = pool.map(tasks::square, 0..10_000).unwrap();
    assert_eq!(squares, (0..10_000).map(tasks::square).collect::<Vec<_>>());
    // What tasks print goes elsewhere than the link.
    pool.map(|n: u64| println!("{n}"), 0..3).unwrap();
    assert_eq!(pool.apply(tasks::square, 12).unwrap(), 144);
}

#[test]
fn workers_of_this_host_and_of_others_work_together() {
    let pool = Pool::builder().hosts(here(&["a:1"]).local(1)).build().unwrap();
    wait_until("both workers", || {
        let parents: Vec<u32> = pool.broadcast(tasks::pids, 0).unwrap().into_iter().map(|(_, parent)| parent).collect();
        parents.len() == 2 && parents.contains(&std::process::id()) && parents[0] != parents[1]
    });
}

#[test]
fn an_executable_is_staged_once() {
    let folder = tempfile::tempdir().unwrap();
    let staged = || Hosts::command("XDG_CACHE_HOME=$1 sh -c {agent}").launcher_arg(folder.path().to_str().unwrap());
    for _ in 0..2 {
        let pool = Pool::builder().hosts(staged().on(["a:1"])).build().unwrap();
        assert_eq!(pool.map(tasks::square, 0..3).unwrap(), [0, 1, 4]);
        assert_eq!(fs::read_dir(folder.path().join("procession")).unwrap().count(), 1);
    }
}

#[test]
fn another_executable_is_refused_by_its_hash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other");
    fs::copy("/proc/self/exe", &path).unwrap();
    // The build id stays the same.
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"!").unwrap();
    let hosts = here(&["far:1"]).executable(Executable::At(path));
    let error = Pool::builder().hosts(hosts).build().unwrap_err().to_string();
    assert!(error.contains("far") && error.contains("runs another executable"), "{error}");
    assert_eq!(error.matches("sha256").count(), 2, "{error}");
}

#[test]
fn a_launcher_that_fails_is_an_error_with_its_last_words() {
    for (template, cause) in [
        ("echo no route to {host} >&2; exit 7; sh -c {agent}", "no route to far"),
        ("sh -c {agent} </dev/null", "ended"),
        ("no-such-launcher {host} {agent}", "not found"),
    ] {
        let hosts = Hosts::command(template).on(["far:1"]).executable(Executable::Same);
        let error = Pool::builder().hosts(hosts).build().unwrap_err().to_string();
        assert!(error.contains("far") && error.contains(cause), "{error}");
    }
}

#[test]
fn a_host_that_never_comes_is_given_up_in_time() {
    // The shell waits for a line that never comes, and ends with its streams.
    let hosts = Hosts::command("read never; : {agent}").on(["far:1"]).launch_timeout(Duration::from_millis(50));
    let error = Pool::builder().hosts(hosts).build().unwrap_err().to_string();
    assert!(error.contains("far") && error.contains("not started the agent in time"), "{error}");
}

#[test]
fn what_cannot_be_read_as_hosts_is_an_error_of_the_pool() {
    for (hosts, cause) in [
        (Hosts::ssh(["node:x"]), "`node:x`"),
        (Hosts::ssh(["-oProxyCommand=true"]), "begins with `-`"),
        (Hosts::ssh([""; 0]), "empty"),
        (Hosts::command("ssh {host} true").on(["a"]), "{agent}"),
        (Hosts::listen("127.0.0.1:0", "/no/such/key"), "/no/such/key"),
    ] {
        let error = Pool::builder().hosts(hosts).build().unwrap_err().to_string();
        assert!(error.contains(cause), "{error}");
    }
}
