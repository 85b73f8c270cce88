//! Agents that come by themselves.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use procession_hosts::{Hosts, create_key_file};
use procession_pool::Pool;

use crate::support::{tasks, wait_until};

/// An agent, as a container would start it.
struct Agent(Child);

impl Agent {
    fn start(address: SocketAddr, key: &Path) -> Agent {
        let mut command = Command::new("/proc/self/exe");
        command.env("PROCESSION_JOIN", address.to_string()).env("PROCESSION_KEY_FILE", key);
        Agent(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _gone = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn agents_join_and_leave() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    create_key_file(&key).unwrap();
    let hosts = Hosts::listen("127.0.0.1:0", &key).max_hosts(4);
    let address = hosts.address().unwrap();
    let first = Agent::start(address, &key);
    let pool = Pool::builder().hosts(hosts).build().unwrap();
    assert_eq!(pool.map(tasks::square, 0..3).unwrap(), [0, 1, 4]);
    let _second = Agent::start(address, &key);
    let agents = |pool: &Pool| {
        let pids = pool.job(tasks::pids).chunk_size(NonZeroUsize::MIN).map(0..64).unwrap();
        pids.into_iter().map(|(_, agent)| agent).collect::<BTreeSet<u32>>().len()
    };
    wait_until("the second agent", || agents(&pool) == 2);
    drop(first);
    let job = pool.job(tasks::square).retries(3);
    assert_eq!(job.map(0..1000).unwrap(), (0..1000).map(tasks::square).collect::<Vec<_>>());
}

#[test]
fn an_agent_with_another_key_is_refused_and_harms_no_one() {
    let folder = tempfile::tempdir().unwrap();
    let (key, other) = (folder.path().join("key"), folder.path().join("other"));
    create_key_file(&key).unwrap();
    create_key_file(&other).unwrap();
    let hosts = Hosts::listen("127.0.0.1:0", &key);
    let address = hosts.address().unwrap();
    let pool = thread::spawn(move || Pool::builder().hosts(hosts).build());
    let mut stranger = Agent::start(address, &other);
    assert_eq!(stranger.0.wait().unwrap().code(), Some(1));
    let error = std::io::read_to_string(stranger.0.stderr.take().unwrap()).unwrap();
    assert!(error.contains(&format!("cannot join {address}")), "{error}");
    let _agent = Agent::start(address, &key);
    let pool = pool.join().unwrap().unwrap();
    assert_eq!(pool.map(tasks::square, 0..3).unwrap(), [0, 1, 4]);
}

#[test]
fn an_agent_without_its_key_says_so() {
    let mut agent = Agent::start("127.0.0.1:9".parse().unwrap(), Path::new("/no/such/key"));
    assert_eq!(agent.0.wait().unwrap().code(), Some(1));
    let error = std::io::read_to_string(agent.0.stderr.take().unwrap()).unwrap();
    assert!(error.contains("cannot read the key file /no/such/key"), "{error}");
}
