//! Agents that a real `ssh` starts by a real `sshd`. Where there is none, each test says that it was skipped.

use std::fs;

use procession_hosts::Executable;
use procession_pool::Pool;

use crate::sshd::Sshd;
use crate::support::tasks;

#[test]
fn a_map_over_ssh_stages_the_executable_once() {
    let Some(sshd) = Sshd::start() else { return };
    for _ in 0..2 {
        let pool = Pool::builder().hosts(sshd.hosts(&["127.0.0.1:2"])).build().unwrap();
        let squares = pool.map(tasks::square, 0..10_000).unwrap();
        assert_eq!(squares, (0..10_000).map(tasks::square).collect::<Vec<_>>());
        assert_eq!(fs::read_dir(sshd.cache()).unwrap().count(), 1);
    }
}

#[test]
fn a_tunnel_needs_no_other_port() {
    let Some(sshd) = Sshd::start() else { return };
    let hosts = sshd.hosts(&["127.0.0.1:1"]).executable(Executable::Same).tunnelled();
    let pool = Pool::builder().hosts(hosts).build().unwrap();
    let squares = pool.map(tasks::square, 0..10_000).unwrap();
    assert_eq!(squares, (0..10_000).map(tasks::square).collect::<Vec<_>>());
}

#[test]
fn a_host_that_lets_no_one_in_is_an_error_that_says_so() {
    let Some(sshd) = Sshd::start() else { return };
    let error = Pool::builder().hosts(sshd.hosts(&["no-such-user@127.0.0.1"])).build().unwrap_err().to_string();
    assert!(error.contains("no-such-user@127.0.0.1") && error.contains("Permission denied"), "{error}");
}
