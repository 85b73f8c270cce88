//! The rounds: every system once per round, each in a fresh process, in an order that rotates.
//!
//! So what disturbs the machine for a while disturbs all of them, and none always runs first.

use std::env;
use std::process::{Command, Stdio};

use crate::group::{Failure, Figure, Group, System};
use crate::options::Options;

/// The figures of one system, one per round.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    pub values: Vec<f64>,
    /// Why there are none.
    pub skipped: Option<String>,
}

/// Measures a whole group.
///
/// # Errors
///
/// When a system failed, or computed something wrong.
pub fn run(group: &Group, options: Options) -> Result<Vec<Row>, Failure> {
    let rows = group.systems.iter();
    let mut rows: Vec<_> = rows.map(|system| Row { name: system.name, values: Vec::new(), skipped: None }).collect();
    for round in 0..options.rounds {
        eprintln!("{}: round {} of {}", group.name, round + 1, options.rounds);
        for at in order(round, group.systems.len()) {
            if rows[at].skipped.is_none() {
                rows[at].add(measure(group, &group.systems[at], options)?);
            }
        }
    }
    Ok(rows)
}

impl Row {
    fn add(&mut self, figure: Figure) {
        match figure {
            Figure::Value(value) => self.values.push(value),
            Figure::Skipped(why) => self.skipped = Some(why),
        }
    }
}

/// The order of a round begins one system later than that of the round before.
fn order(round: usize, systems: usize) -> impl Iterator<Item = usize> {
    (0..systems).map(move |at| (round + at) % systems)
}

fn measure(group: &Group, system: &System, options: Options) -> Result<Figure, Failure> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["run", group.name, system.name]);
    command.args(options.quick.then_some("--quick")).args(options.pin.then_some("--pin"));
    let output = command.stderr(Stdio::inherit()).output()?;
    let failed = |why: String| format!("`{}` in group `{}` {why}", system.name, group.name);
    if !output.status.success() {
        return Err(failed(format!("failed with {}", output.status)).into());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(format!("printed no figure: {error}")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_has_every_system_once_and_another_one_first() {
        for round in 0..4 {
            let order: Vec<_> = order(round, 3).collect();
            assert_eq!(order[0], round % 3);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2]);
        }
    }
}
