//! The course of a run: how long it goes on, and from which seed.

use std::time::{Duration, Instant};

use lexopt::{Arg, Error, Parser, ValueExt};

use super::Dice;

/// How long a run goes on when nothing is said, in seconds.
const SECONDS: u64 = 20;

/// What a run was asked for, and when it began.
#[derive(Debug)]
pub(crate) struct Course {
    seed: u64,
    seconds: Option<u64>,
    kills: Option<u64>,
    began: Instant,
}

impl Course {
    /// Reads a component's name and the options.
    pub(crate) fn parse(mut arguments: Parser) -> Result<(String, Course), Error> {
        let mut course = Course { seed: 1, seconds: None, kills: None, began: Instant::now() };
        let mut component = None;
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("seconds") => course.seconds = Some(arguments.value()?.parse()?),
                Arg::Long("kills") => course.kills = Some(arguments.value()?.parse()?),
                Arg::Long("seed") => course.seed = arguments.value()?.parse()?,
                Arg::Value(name) if component.is_none() => component = Some(name.string()?),
                other => return Err(other.unexpected()),
            }
        }
        if course.kills.is_none() {
            course.seconds.get_or_insert(SECONDS);
        }
        Ok((component.ok_or("which component?")?, course))
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn dice(&self) -> Dice {
        Dice::new(self.seed)
    }

    /// Whether there is time, after so many kills, for another.
    pub(crate) fn goes_on(&self, kills: u64) -> bool {
        let has_time = self.seconds.is_none_or(|seconds| self.took() < Duration::from_secs(seconds));
        has_time && self.kills.is_none_or(|limit| kills < limit)
    }

    /// Whether there is no time for large things.
    pub(crate) fn is_short(&self) -> bool {
        self.seconds.is_some_and(|seconds| seconds < SECONDS / 2)
    }

    pub(crate) fn took(&self) -> Duration {
        self.began.elapsed()
    }
}
