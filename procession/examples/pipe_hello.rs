//! A pipe: a child greets through one end, and hears the answer through the same one.
//!
//! "Pipes" of the documentation of Python's `multiprocessing`.
//!
//! ```text
//! cargo run --release --example pipe_hello
//! ```

use std::error::Error;

use procession::Process;
use procession::channels::{Connection, pipe};

/// What the child sends. A pipe has a type in each direction.
type Greeting = (i32, Option<f64>, String);

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let (here, there) = pipe::<String, Greeting>()?;
    let child = Process::spawn(greet, there)?;
    println!("parent: has received {:?}", here.recv()?);
    here.send("thank you".to_owned())?;
    child.join()?;
    // The child has ended, and its end of the pipe with it.
    println!("parent: {}", here.recv().unwrap_err());
    Ok(())
}

fn greet(end: Connection<Greeting, String>) {
    end.send((42, None, "hello".to_owned())).expect("the parent listens");
    println!("child: has received {:?}", end.recv().expect("the parent answers"));
}
