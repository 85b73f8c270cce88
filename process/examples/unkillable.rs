//! What a start does about a child that has been killed and does not end, as one that hangs in the kernel.
//!
//! `unkillable FILE MILLISECONDS`: the first child writes its number into the file and never reaches `init`; its start has that time. When
//! stdin says so, the program starts another one, and prints how many children it has then.

use std::os::unix::process::parent_id;
use std::path::Path;
use std::time::Duration;

use procession_process::{Process, StartMethod};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if is_child() && !Path::new(&words[0]).exists() {
        hang(Path::new(&words[0]));
    }
    procession_process::init();
    let builder = Process::builder().start_method(StartMethod::Spawn);
    let time = Duration::from_millis(words[1].parse().unwrap());
    println!("{}", builder.clone().spawn_timeout(|()| (), (), time).unwrap_err());
    std::io::stdin().read_line(&mut String::new()).unwrap();
    builder.spawn(|()| (), ()).unwrap().join().unwrap();
    println!("{} children", children());
}

fn hang(file: &Path) -> ! {
    let unfinished = file.with_extension("unfinished");
    std::fs::write(&unfinished, std::process::id().to_string()).unwrap();
    std::fs::rename(unfinished, file).unwrap();
    loop {
        std::thread::park();
    }
}

/// Whether the same program has started this one.
fn is_child() -> bool {
    let own = std::fs::read_link("/proc/self/exe").unwrap();
    std::fs::read_link(format!("/proc/{}/exe", parent_id())).is_ok_and(|parent| parent == own)
}

/// The number of this program's children, zombies included.
fn children() -> usize {
    let own = std::process::id().to_string();
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let stats = all.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    // Behind the name, which may hold anything, come the state and the parent.
    stats
        .filter(|stat| stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)) == Some(&own))
        .count()
}
