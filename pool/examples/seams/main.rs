//! Where code of the user's runs on a task's way, and what it may do there: each cell has one right outcome, given in
//! [`expected`](table::expected).
//!
//! Each cell is tried in a program of its own, which must end in time, must say the outcome that is right, and whose pool must do its
//! next job as if nothing had been. Words choose the cells whose names contain one of them.
//!
//! ```text
//! cargo run -p procession-pool --example seams
//! cargo run -p procession-pool --example seams encode/panic
//! ```

mod carried;
mod deed;
mod play;
mod run;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    procession_process::init();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let all = table::cells();
    if let [play_word, number] = &words[..]
        && play_word == run::PLAY
        && let Some(cell) = number.parse::<usize>().ok().and_then(|number| all.get(number))
    {
        println!("{}", play::play(*cell));
        return ExitCode::SUCCESS;
    }
    run::all(&all, &words)
}
