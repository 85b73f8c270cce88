//! `echo_server`, `echo_pool` and their client.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use crate::support::{Ran, command, finish, run};

/// A server that runs, where it listens, and what it prints from then on.
struct Server {
    child: Child,
    address: String,
    log: BufReader<std::process::ChildStdout>,
}

impl Server {
    fn start(name: &str, arguments: &[&str]) -> Server {
        let mut child = command(name).args(arguments).stderr(Stdio::inherit()).spawn().expect("the server starts");
        let mut log = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ").expect("it says where").to_owned();
        Server { child, address, log }
    }

    /// What it has printed when it has ended well.
    fn end(mut self) -> Vec<String> {
        let mut text = String::new();
        self.log.read_to_string(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success());
        text.lines().map(String::from).collect()
    }
}

/// A visitor who stays as long as the test wants.
struct Visitor(BufReader<TcpStream>);

impl Visitor {
    fn come(server: &Server) -> Visitor {
        Visitor(BufReader::new(TcpStream::connect(&server.address).unwrap()))
    }

    fn say(&mut self, text: &str) -> String {
        self.0.get_mut().write_all(format!("{text}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        self.0.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }
}

#[test]
fn visitors_are_served_at_the_same_time_each_by_a_process_of_its_own() {
    let server = Server::start("echo_server", &["--connections", "4"]);
    let mut visitors: Vec<_> = (0..4).map(|_| Visitor::come(&server)).collect();
    // All of them are there before the first one goes.
    for (number, visitor) in visitors.iter_mut().enumerate().rev() {
        assert_eq!(visitor.say(&format!("hello {number}")), format!("hello {number}"));
        assert_eq!(visitor.say("bye"), "bye");
    }
    drop(visitors);
    let log = server.end();
    let visits: Vec<_> = log.iter().filter_map(|line| line.strip_prefix("visit ")?.strip_suffix(": 2 lines")).collect();
    assert_eq!(visits.len(), 4, "{log:?}");
    let pids: BTreeSet<_> = visits.iter().map(|visit| visit.split_once(", process ").unwrap().1).collect();
    assert_eq!(pids.len(), 4);
}

#[test]
fn the_client_prints_what_comes_back() {
    let server = Server::start("echo_server", &["--connections", "2"]);
    assert_eq!(run("echo_client", &[&server.address, "one", "two words"]).stdout, "one\ntwo words\n");
    let mut client = command("echo_client").arg(&server.address).spawn().unwrap();
    client.stdin.take().unwrap().write_all(b"from\nits input\n").unwrap();
    let Ran { stdout, status, .. } = finish(client);
    assert!(status.success());
    assert_eq!(stdout, "from\nits input\n");
    server.end();
}

#[test]
fn two_workers_are_shared_by_six_visitors() {
    let server = Server::start("echo_pool", &["--workers", "2", "--connections", "6"]);
    let mut visitors: Vec<_> = (0..6).map(|_| Visitor::come(&server)).collect();
    // Whoever is served first says goodbye first, and so on; nobody is refused meanwhile.
    for (number, visitor) in visitors.iter_mut().enumerate() {
        assert_eq!(visitor.say(&format!("hello {number}")), format!("hello {number}"));
        visitor.0.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    }
    drop(visitors);
    let log = server.end();
    let visits: BTreeSet<_> = log.iter().filter_map(|line| line.split_once(", process ")).collect();
    let pids: BTreeSet<_> = visits.iter().map(|(_, rest)| rest.strip_suffix(": 1 lines").expect("one line")).collect();
    assert_eq!((visits.len(), pids.len()), (6, 2), "{log:?}");
}
