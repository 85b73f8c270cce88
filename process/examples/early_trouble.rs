//! What a parent is told when its children get into trouble before they reach `init`.
//!
//! `early_trouble panic|exit|abort|thread server|spawn`: the trouble happens in every process of the program but the first.

use std::os::unix::process::parent_id;

use procession_process::{Process, StartMethod};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if is_child() {
        trouble(&words[0]);
    }
    procession_process::init();
    let method = if words[1] == "server" { StartMethod::Server } else { StartMethod::Spawn };
    match Process::builder().start_method(method).spawn(|n: u32| n * n, 2) {
        Ok(process) => println!("it brought {}", process.join().unwrap()),
        Err(error) => println!("{error}"),
    }
}

/// Whether the same program has started this one.
fn is_child() -> bool {
    let own = std::fs::read_link("/proc/self/exe").unwrap();
    std::fs::read_link(format!("/proc/{}/exe", parent_id())).is_ok_and(|parent| parent == own)
}

fn trouble(kind: &str) {
    match kind {
        "panic" => panic!("trouble in the first line"),
        "abort" => std::process::abort(),
        "thread" => drop(std::thread::spawn(|| {
            loop {
                std::thread::park();
            }
        })),
        _ => {
            eprintln!("leaving early");
            std::process::exit(3);
        }
    }
}
