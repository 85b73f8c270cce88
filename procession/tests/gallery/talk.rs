//! `pipe_hello`, `pipe_one_way`, `queue_letters`, `queue_producer_consumer`, `joinable`, `python_interop`.

use std::process::Command;

use crate::support::run;

#[test]
fn pipe_hello_carries_values_both_ways_and_then_ends() {
    let ran = run("pipe_hello", &[]);
    assert_eq!(ran.lines()[..2], ["parent: has received (42, None, \"hello\")", "child: has received \"thank you\""]);
    assert_eq!(ran.lines()[2..], ["parent: the channel is empty and all its senders are gone"]);
}

#[test]
fn what_goes_into_a_one_way_pipe_comes_out_in_order_until_the_end_of_the_stream() {
    let ran = run("pipe_one_way", &[]);
    let lines: Vec<_> =
        ran.lines().iter().map(|line| line.strip_prefix('[').unwrap().split_once(" s] ").unwrap()).collect();
    assert!(lines.iter().all(|(time, _)| time.trim().parse::<f64>().is_ok()), "{}", ran.stdout);
    let place =
        |text: String| lines.iter().position(|(_, found)| **found == text).unwrap_or_else(|| panic!("no {text:?}"));
    let sent: Vec<_> = (0..10).map(|number| place(format!("producer: sends {number}"))).collect();
    let received: Vec<_> = (0..10).map(|number| place(format!("consumer: receives {number}"))).collect();
    assert!(sent.is_sorted() && received.is_sorted());
    assert!(sent.iter().zip(&received).all(|(sent, received)| sent < received));
    assert_eq!(place("consumer: the end of the stream".into()), 20);
    assert_eq!(lines.len(), 21);
}

#[test]
fn letters_come_out_of_the_queue_as_they_went_in() {
    let ran = run("queue_letters", &[]);
    for letter in ["A", "B", "C"] {
        assert!(ran.place(&format!("writer: puts {letter}")) < ran.place(&format!("reader: gets {letter}")));
    }
    let got: Vec<_> = ran.lines().into_iter().filter_map(|line| line.strip_prefix("reader: gets ")).collect();
    assert_eq!(got, ["A", "B", "C"]);
    assert_eq!(ran.place("reader: there is no writer any more"), ran.lines().len() - 1);
}

#[test]
fn a_full_shelf_and_an_empty_one_are_seen_and_nothing_is_lost() {
    let ran = run("queue_producer_consumer", &[]);
    assert_eq!(ran.lines()[3], "baker: the shelf is full, so loaf 4 waits");
    assert_eq!(ran.lines()[4], "customer: finds 3 loaves");
    assert!(ran.stdout.contains("customer: the shelf is empty\n"));
    let bought: Vec<_> = ran.lines().into_iter().filter_map(|line| line.strip_prefix("customer: buys loaf ")).collect();
    assert_eq!(bought, (1..=10).map(|loaf| loaf.to_string()).collect::<Vec<_>>());
    assert_eq!(ran.lines().last(), Some(&"10 loaves were bought"));
}

#[test]
fn rust_and_python_talk_in_both_roles() {
    let ran = run("python_interop", &[]);
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(ran.stdout.starts_with("skipped: there is no python3 here"));
        println!("{}", ran.stdout);
        return;
    }
    for line in [
        "rust: has received hello from Python",
        "python: has received hello from Rust",
        "python: has received hello from Rust, the client",
        "rust: has received hello from Python, the listener",
    ] {
        ran.place(line);
    }
    assert_eq!(ran.lines().len(), 4, "{}", ran.stdout);
}

#[test]
fn joining_a_queue_waits_for_all_and_tells_of_the_dead() {
    let ran = run("joinable", &[]);
    let lines = ran.lines();
    assert_eq!(lines[0], "all jobs are done, their sum is 210");
    assert!(lines[1].starts_with("a deadly one: 1 items were not finished: process "), "{}", lines[1]);
    assert_eq!(lines[2..], ["the others go on, the sum is 420"]);
}
