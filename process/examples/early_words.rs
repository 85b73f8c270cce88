//! A program that prints before `init`: it is read once, whoever runs that line.

use std::error::Error;

use procession_process::{Process, StartMethod};

fn main() -> Result<(), Box<dyn Error>> {
    print!("early ");
    procession_process::init();
    for method in [StartMethod::Server, StartMethod::Spawn, StartMethod::Fork] {
        Process::builder().start_method(method).spawn(|()| print!("child "), ())?.join()?;
    }
    Ok(())
}
