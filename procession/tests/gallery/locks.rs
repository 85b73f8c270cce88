//! `lock_prints`, `ticket_sale`, `lock_file`, `semaphore`, `event`.

use std::collections::BTreeSet;
use std::fs;

use crate::support::run;

#[test]
fn lock_prints_keeps_the_lines_of_each_together() {
    let ran = run("lock_prints", &[]);
    let lines = ran.lines();
    assert_eq!(lines.len(), 30);
    let mut numbers = BTreeSet::new();
    for verse in lines.chunks(3) {
        let number: u32 = verse[0].split_once(": ").unwrap().0.parse().unwrap();
        let expected = ["hello world", "how are you?", "goodbye"].map(|text| format!("{number}: {text}"));
        assert_eq!(verse, expected, "{}", ran.stdout);
        numbers.insert(number);
    }
    assert_eq!(numbers, (0..10).collect());
}

#[test]
fn all_look_at_once_and_three_of_ten_get_a_ticket() {
    let ran = run("ticket_sale", &[]);
    let (looked, later): (Vec<_>, Vec<_>) = ran.lines().into_iter().partition(|line| line.ends_with("are left"));
    assert_eq!(later.iter().filter(|line| line.ends_with("has got a ticket")).count(), 3);
    assert_eq!(later.iter().filter(|line| line.ends_with("comes too late")).count(), 7);
    // Nobody had bought when the last one looked.
    assert_eq!(looked.iter().filter(|line| line.ends_with(": 3 tickets are left")).count(), 10);
    assert_eq!(ran.lines()[..10].iter().filter(|line| line.ends_with(": 3 tickets are left")).count(), 10);
    assert_eq!(ran.lines().last(), Some(&"3 tickets were sold, 0 are left"));
}

#[test]
fn without_the_lock_the_office_sells_what_it_has_not_got() {
    let ran = run("ticket_sale", &["--without-lock"]);
    assert_eq!(ran.lines().last(), Some(&"10 tickets were sold, 2 are left"));
}

#[test]
fn the_tickets_are_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db.json");
    fs::write(&file, r#"{"count": 7}"#).unwrap();
    let ran = run("ticket_sale", &[file.to_str().unwrap()]);
    assert_eq!(ran.lines().last(), Some(&"7 tickets were sold, 0 are left"));
    assert_eq!(fs::read_to_string(&file).unwrap(), r#"{"count":0}"#);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left behind");
}

#[test]
fn lock_file_has_a_whole_line_of_each() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let ran = run("lock_file", &[file.to_str().unwrap()]);
    let log = fs::read_to_string(&file).unwrap();
    assert_eq!(log, ran.stdout);
    let mut pids = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for line in log.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [writer, "line", number, "by", "process", pid] = words[..] else { panic!("a mixed line: {line:?}") };
        assert_eq!(writer, format!("writer-{number}:"));
        numbers.insert(number.parse::<u32>().unwrap());
        pids.insert(pid.parse::<u32>().unwrap());
    }
    assert_eq!((numbers, pids.len()), ((0..10).collect(), 10));
}

#[test]
fn twenty_run_and_never_more_than_five_at_a_time() {
    let ran = run("semaphore", &[]);
    let mut inside = BTreeSet::new();
    let mut came = BTreeSet::new();
    let (last, changes) = ran.lines().split_last().map(|(last, changes)| (*last, changes.to_vec())).unwrap();
    let mut fullest = 0;
    for line in &changes {
        let (count, names) = line.split_once(" inside: ").unwrap();
        let names: BTreeSet<String> = names.split_whitespace().map(String::from).collect();
        assert_eq!(count.parse(), Ok(names.len()));
        assert!(names.len() <= 5, "{line}");
        assert_eq!(names.symmetric_difference(&inside).count(), 1, "one comes or goes: {line}");
        fullest = fullest.max(names.len());
        came.extend(names.iter().cloned());
        inside = names;
    }
    assert_eq!((changes.len(), fullest, inside.len()), (40, 5, 0));
    assert_eq!(came, (1..=20).map(|number| format!("runner-{number}")).collect());
    assert_eq!(last, "all 20 have run, 5 of 5 seats are free");
}

#[test]
fn the_second_goes_on_where_the_first_has_stopped() {
    let first = (0..100).map(|number| format!("first: {number}\n"));
    let second = (100..200).map(|number| format!("second: {number}\n"));
    assert_eq!(run("event", &[]).stdout, first.chain(second).collect::<String>());
}
