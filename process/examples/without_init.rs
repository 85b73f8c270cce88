//! What happens in a program that forgets `init`: an error that names the line to add, and no process is started.

use std::process::ExitCode;

use procession_process::Process;

fn main() -> ExitCode {
    println!("main begins");
    match Process::spawn(|n: u64| n * n, 12) {
        Ok(process) => {
            println!("this cannot be: {process:?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
