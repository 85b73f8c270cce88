//! What becomes of children when their parent is killed: daemons are gone at once, others can see it.
//!
//! `orphans FOLDER` prints the numbers of its daemons, started in three ways, and of a daemon of a daemon; then it waits to
//! be killed. A child that is no daemon writes into the folder what it sees of its parent.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;

use procession_core::codec::Descriptor;
use procession_process::{Process, StartMethod, parent};

fn main() -> Result<(), Box<dyn Error>> {
    procession_process::init();
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("name a folder")?);
    let daemon = |method| Process::builder().daemon(true).start_method(method);
    // The copy comes first, while there is one thread.
    let copied = daemon(StartMethod::Fork).spawn(idle, ())?;
    let (reader, writer) = std::io::pipe()?;
    let served =
        daemon(StartMethod::Server).spawn(with_one_below, Descriptor::from(std::os::fd::OwnedFd::from(writer)))?;
    let spawned = daemon(StartMethod::Spawn).spawn(idle, ())?;
    let (watching, ready) = std::io::pipe()?;
    let ready = Descriptor::from(std::os::fd::OwnedFd::from(ready));
    Process::builder().daemon(false).spawn(watch, (folder, ready))?;
    { &watching }.read_exact(&mut [0])?;
    let mut below = [0; 4];
    { &reader }.read_exact(&mut below)?;
    println!("{} {} {} {}", copied.id(), served.id(), spawned.id(), u32::from_le_bytes(below));
    idle(());
    Ok(())
}

fn idle((): ()) {
    loop {
        std::thread::park();
    }
}

/// A daemon that has a daemon itself, and tells its number.
fn with_one_below(writer: Descriptor) {
    let below = Process::spawn(idle, ()).unwrap();
    write(writer, &below.id().to_le_bytes());
    idle(());
}

fn watch((folder, ready): (PathBuf, Descriptor)) {
    let above = parent().unwrap();
    let before = if above.is_alive() { "alive" } else { "gone" };
    write(ready, b"!");
    above.join().unwrap();
    let after = if above.is_alive() { "alive" } else { "gone" };
    fs::write(folder.join("watcher"), format!("{before}, {after}")).unwrap();
}

fn write(writer: Descriptor, bytes: &[u8]) {
    fs::File::from(std::os::fd::OwnedFd::from(writer)).write_all(bytes).unwrap();
}
