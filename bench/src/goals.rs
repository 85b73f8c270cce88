//! Goals: what the first row of a group has to reach against another row or against a number.

use crate::group::Group;
use crate::measure::median;
use crate::rounds::Row;

/// What is to be reached.
#[derive(Debug)]
pub struct Goal {
    pub group: &'static str,
    /// Which row is judged; it does not have to be the first one.
    pub row: &'static str,
    pub against: Against,
}

/// What a row is judged by.
#[derive(Debug)]
pub enum Against {
    /// At least the figure of that row times this factor.
    Times(f64, &'static str),
    /// At most this part of the figure of that row.
    Part(f64, &'static str),
    /// At most the figure of that row and this much.
    Above(f64, &'static str),
    AtLeast(f64),
    AtMost(f64),
}

/// Every goal that was set.
const GOALS: &[Goal] = &[
    Goal { group: "manager-set", row: "procession Manager", against: Against::Times(5.0, "CPython Manager") },
    Goal { group: "manager-set", row: "procession Manager", against: Against::Times(5.0, "Redis, Unix socket") },
    Goal { group: "manager-get", row: "procession Manager", against: Against::Times(5.0, "CPython Manager") },
    Goal { group: "manager-get", row: "procession Manager", against: Against::Times(5.0, "Redis, Unix socket") },
    Goal { group: "manager-pair", row: "procession Manager", against: Against::Times(5.0, "CPython Manager") },
    Goal { group: "manager-pipeline", row: "procession Manager", against: Against::AtLeast(1000.0) },
    Goal {
        group: "manager-remote",
        row: "procession Manager, remote",
        against: Against::Times(1.0, "Redis, Unix socket"),
    },
    Goal { group: "memory-copy", row: "procession SharedMemory::write", against: Against::Times(0.9, "raw memcpy") },
    Goal { group: "memory-copy", row: "procession SharedMemory::read", against: Against::Times(0.9, "raw memcpy") },
    Goal { group: "channels-stream", row: "procession queue", against: Against::Times(20.0, "CPython Queue") },
    Goal { group: "channels-stream", row: "procession queue", against: Against::Times(5.0, "ipc-channel") },
    Goal { group: "channels-stream", row: "procession queue", against: Against::AtLeast(5.6) },
    Goal { group: "channels-pairs", row: "procession queue", against: Against::Times(15.0, "CPython Queue") },
    Goal { group: "channels-1mib", row: "procession one_way", against: Against::AtLeast(8.0) },
    Goal { group: "channels-64mib", row: "procession one_way", against: Against::AtLeast(4.0) },
    // Typed values cost one more first touch of their memory than bytes into a buffer that is used again.
    Goal {
        group: "channels-1mib",
        row: "procession queue, values of bytes",
        against: Against::Times(0.5, "procession one_way"),
    },
    Goal {
        group: "channels-64mib",
        row: "procession queue, values of bytes",
        against: Against::Times(0.5, "procession one_way"),
    },
    Goal {
        group: "channels-1mib",
        row: "procession one_way, read in place",
        against: Against::Times(1.0, "iceoryx2, read in place"),
    },
    Goal {
        group: "channels-64mib",
        row: "procession one_way, read in place",
        against: Against::Times(1.0, "iceoryx2, read in place"),
    },
    Goal {
        group: "channels-round-trip",
        row: "procession pipe, bytes",
        against: Against::Part(3.0, "raw shared ring, spinning"),
    },
    Goal {
        group: "channels-round-trip",
        row: "procession pipe, bytes",
        against: Against::Part(1.0 / 20.0, "CPython Pipe"),
    },
    Goal {
        group: "channels-round-trip",
        row: "procession pipe, bytes",
        against: Against::Part(1.0 / 20.0, "ipc-channel"),
    },
    Goal { group: "channels-wake", row: "procession pipe, bytes", against: Against::Part(1.0, "raw socketpair") },
    // Nothing but the noise of the clock that counts it.
    Goal { group: "channels-idle", row: "procession queue", against: Against::AtMost(10.0) },
    Goal { group: "channels-idle", row: "procession pipe", against: Against::AtMost(10.0) },
    Goal { group: "pool-single", row: "procession map", against: Against::Times(30.0, "CPython Pool.map") },
    Goal { group: "pool-single", row: "procession map", against: Against::AtLeast(5.0) },
    Goal { group: "pool-chunked", row: "procession map", against: Against::Times(5.0, "CPython Pool.map") },
    Goal { group: "pool-apply", row: "procession apply", against: Against::Part(1.0 / 8.0, "CPython Pool.apply") },
    Goal { group: "pool-apply", row: "procession apply", against: Against::Part(1.0 / 4.0, "procspawn") },
    Goal { group: "pool-apply", row: "procession apply", against: Against::AtMost(5.0) },
    Goal { group: "pool-result", row: "procession future", against: Against::Above(5.0, "procession get") },
    Goal { group: "pool-result", row: "procession callback", against: Against::Above(5.0, "procession get") },
    Goal { group: "pool-large", row: "procession imap_unordered", against: Against::AtLeast(5.0) },
    Goal { group: "pool-heavy", row: "procession map", against: Against::Times(0.97, "raw, two bare processes") },
    Goal {
        group: "pool-flat",
        row: "procession map, 10,000,000 tasks",
        against: Against::Part(1.1, "procession map, 1,000,000 tasks"),
    },
    Goal { group: "pool-memory", row: "procession", against: Against::AtMost(4.0) },
    Goal { group: "pool-death", row: "procession imap", against: Against::AtMost(1.5) },
    Goal { group: "pool-idle", row: "procession", against: Against::AtMost(100.0) },
];

/// How the goals of a group stand, as lines of Markdown; nothing for a group without goals.
pub fn report(group: &Group, rows: &[Row]) -> String {
    GOALS.iter().filter(|goal| goal.group == group.name).map(|goal| goal.line(rows)).collect()
}

impl Goal {
    fn line(&self, rows: &[Row]) -> String {
        let Goal { row, against, .. } = self;
        let (text, limit) = match against {
            Against::Times(factor, other) => (format!("at least {factor} × `{other}`"), figure(rows, other) * factor),
            Against::Part(part, other) => (format!("at most {part:.3} × `{other}`"), figure(rows, other) * part),
            Against::Above(more, other) => (format!("at most {more} above `{other}`"), figure(rows, other) + more),
            Against::AtLeast(limit) => (format!("at least {limit}"), *limit),
            Against::AtMost(limit) => (format!("at most {limit}"), *limit),
        };
        let found = figure(rows, row);
        let verdict = match against.is_reached(found, limit) {
            _ if limit.is_nan() || found.is_nan() => "not measured",
            true => "reached",
            false => "MISSED",
        };
        format!("- goal for `{row}`: {text}, that is {limit:.3}; it is {found:.3}: {verdict}\n")
    }
}

impl Against {
    fn is_reached(&self, found: f64, limit: f64) -> bool {
        match self {
            Against::Times(..) | Against::AtLeast(_) => found >= limit,
            Against::Part(..) | Against::Above(..) | Against::AtMost(_) => found <= limit,
        }
    }
}

/// Returns the median of a row, or `NaN` if there is no such row.
fn figure(rows: &[Row], name: &str) -> f64 {
    let mut values = rows.iter().find(|row| row.name == name).map(|row| row.values.clone()).unwrap_or_default();
    values.sort_by(f64::total_cmp);
    median(&values)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: Group = Group { name: "pool-apply", title: "", unit: "", systems: &[] };

    fn row(name: &'static str, value: f64) -> Row {
        Row { name, values: vec![value], skipped: None }
    }

    #[test]
    fn goals_are_judged_by_the_medians() {
        let text = report(&GROUP, &[row("procession apply", 9.0), row("procspawn", 40.0)]);
        let verdicts: Vec<_> = text.lines().map(|line| line.rsplit(": ").next().unwrap()).collect();
        assert_eq!(verdicts, ["not measured", "reached", "MISSED"], "{text}");
    }

    #[test]
    fn a_goal_can_be_a_distance() {
        let group = Group { name: "pool-result", ..GROUP };
        let rows = [("procession get", 4.0), ("procession future", 9.5), ("procession callback", 8.5)];
        let text = report(&group, &rows.map(|(name, value)| row(name, value)));
        let verdicts: Vec<_> = text.lines().map(|line| line.rsplit(": ").next().unwrap()).collect();
        assert_eq!(verdicts, ["MISSED", "reached"], "{text}");
    }

    #[test]
    fn a_group_without_goals_has_no_report() {
        assert_eq!(report(&Group { name: "other", ..GROUP }, &[]), "");
    }
}
