//! What the exit of a program does about children that do not go.
//!
//! `stubborn daemons N`: N daemons that ignore SIGTERM. `stubborn other`: a child that ends when stdin does.

use std::error::Error;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use procession_process::{Descriptor, Process, Stdio};

fn main() -> Result<(), Box<dyn Error>> {
    procession_process::init();
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words[0] == "other" {
        let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
        let wait = |()| drop(std::io::stdin().read_to_end(&mut Vec::new()));
        Process::builder().name("patient").stdin(Stdio::Descriptor(stdin)).spawn(wait, ())?;
        return Err("this program has failed".into());
    }
    let (ready, other) = std::io::pipe()?;
    for _ in 0..words[1].parse()? {
        let other = Descriptor::from(OwnedFd::from(other.try_clone()?));
        let daemon = Process::builder().daemon(true).spawn(ignore_termination, other)?;
        println!("{}", daemon.id());
    }
    drop(other);
    // Until each of them has closed its end.
    (&ready).read_to_end(&mut Vec::new())?;
    Ok(())
}

fn ignore_termination(ready: Descriptor) {
    use procession_core::os::signal::{Disposition, SIGTERM, set};
    set(SIGTERM, Disposition::Ignore).expect("a signal that can be ignored");
    drop(ready);
    loop {
        std::thread::park();
    }
}
