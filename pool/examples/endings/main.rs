//! How pools end: every kind of call, in whatever hands its results are, in every state, through every ending.
//!
//! `table` has the cells, `expected` what is right in each of them, as data. Without arguments all cells are tried; words choose those
//! whose names contain one of them. Endings that end the program are tried in a program of their own, the others one after the other
//! in a few. Whatever hangs, loses a result, or leaves a process is told, and makes this fail.
//!
//! ```text
//! cargo run -p procession-pool --example endings
//! cargo run -p procession-pool --example endings imap/held/join
//! ```

mod expected;
mod handle;
mod play;
mod run;
mod scene;
mod table;

use std::process::ExitCode;

use table::Cell;

fn main() -> ExitCode {
    procession_process::init();
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.split_first() {
        Some((word, cells)) if word == run::PLAY => play::all(&named(cells)),
        Some((word, cells)) if word == run::PLAY_LAST => play::last(named(cells)[0]),
        _ => run::all(&chosen(&words)),
    }
}

/// The cells of these numbers.
fn named(numbers: &[String]) -> Vec<Cell> {
    let all = Cell::all();
    numbers.iter().filter_map(|number| all.get(number.parse::<usize>().ok()?).copied()).collect()
}

fn chosen(words: &[String]) -> Vec<usize> {
    let is_chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let all = Cell::all();
    all.iter().enumerate().filter(|(_, cell)| is_chosen(&cell.to_string())).map(|(number, _)| number).collect()
}
