//! What was typed on the command line.

use std::ops::{Add, Div};

use lexopt::{Arg, Parser, ValueExt};

use crate::group::Group;

/// How to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Fewer rounds and fewer iterations: figures for orientation.
    pub quick: bool,
    /// All processes on one core, which shows the cost of the work without waking an idle core.
    pub pin: bool,
    pub rounds: usize,
}

impl Options {
    /// Returns `many`, or a fifth of them when it has to be quick.
    pub fn part<N: From<u8> + Add<Output = N> + Div<Output = N>>(self, many: N) -> N {
        if self.quick { (many + N::from(4)) / N::from(5) } else { many }
    }
}

/// What to do.
#[derive(Debug)]
pub enum Request<'a> {
    Help,
    /// One system, in this process.
    One(&'a Group, String, Options),
    Groups(Vec<&'a Group>, Options),
}

/// Reads the command line.
///
/// # Errors
///
/// When it names a group or an option that does not exist.
pub fn parse(mut arguments: Parser, groups: &[Group]) -> Result<Request<'_>, lexopt::Error> {
    let mut options = Options { quick: false, pin: false, rounds: 0 };
    let mut names = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("quick") => options.quick = true,
            Arg::Long("pin") => options.pin = true,
            Arg::Long("rounds") => options.rounds = arguments.value()?.parse()?,
            Arg::Long("help") | Arg::Short('h') => return Ok(Request::Help),
            Arg::Value(name) => names.push(name.string()?),
            other => return Err(other.unexpected()),
        }
    }
    if options.rounds == 0 {
        options.rounds = if options.quick { 3 } else { 7 };
    }
    request(&names, options, groups)
}

fn request<'a>(names: &[String], options: Options, groups: &'a [Group]) -> Result<Request<'a>, lexopt::Error> {
    if let [run, group, system] = names
        && run == "run"
    {
        return Ok(Request::One(find(group, groups)?, system.clone(), options));
    }
    let chosen: Result<Vec<_>, _> = names.iter().map(|name| find_all(name, groups)).collect();
    let chosen = if names.is_empty() { groups.iter().collect() } else { chosen?.concat() };
    Ok(Request::Groups(chosen, options))
}

/// The group of that name, or all those whose names go on after it: `pool` stands for `pool-apply` and the like.
fn find_all<'a>(name: &str, groups: &'a [Group]) -> Result<Vec<&'a Group>, lexopt::Error> {
    let goes_on = |group: &&Group| group.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
    let family: Vec<_> = groups.iter().filter(goes_on).collect();
    match find(name, groups) {
        Err(error) if family.is_empty() => Err(error),
        Err(_) => Ok(family),
        Ok(group) => Ok(vec![group]),
    }
}

fn find<'a>(name: &str, groups: &'a [Group]) -> Result<&'a Group, lexopt::Error> {
    groups.iter().find(|group| group.name == name).ok_or_else(|| {
        let known: Vec<_> = groups.iter().map(|group| group.name).collect();
        format!("there is no group `{name}`; choose from {}", known.join(", ")).into()
    })
}

/// How to call the program.
pub fn usage(groups: &[Group]) -> String {
    let rows = groups.iter().map(|group| format!("  {:<14} {}\n", group.name, group.title));
    format!("usage: cargo xtask bench [GROUP...] [--quick] [--pin] [--rounds N]\n\n{}", rows.collect::<String>())
}
