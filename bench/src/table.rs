//! The figures of a group as a Markdown table.

use std::fmt::Write;

use crate::group::Group;
use crate::measure::median;
use crate::options::Options;
use crate::rounds::Row;

/// Median, minimum and maximum over the rounds, and the ratio of the medians to ours.
pub fn render(group: &Group, options: Options, rows: &[Row]) -> String {
    let mut text = format!("## {}: {}\n\n{}\n\n", group.name, group.title, method(group, options));
    text += "| system | median | min – max | ÷ ours |\n|---|---:|---:|---:|\n";
    let ours = rows.first().map_or(f64::NAN, |row| middle(&row.values));
    for row in rows {
        text += &line(row, ours);
    }
    for row in rows {
        if let Some(why) = &row.skipped {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\n`{}` was skipped: {why}.", row.name);
        }
    }
    text
}

fn method(group: &Group, options: Options) -> String {
    let cores = if options.pin { "all processes on one core" } else { "not pinned" };
    let quick = if options.quick { ", quick" } else { "" };
    format!("Unit: {}. Rounds: {}, {cores}{quick}.", group.unit, options.rounds)
}

fn line(row: &Row, ours: f64) -> String {
    let sorted = sorted(&row.values);
    let [Some(min), Some(max)] = [sorted.first(), sorted.last()] else {
        return format!("| {} | – | – | – |\n", row.name);
    };
    let median = median(&sorted);
    let ratio = if ours > 0.0 { format!("{:.2}", median / ours) } else { "–".into() };
    format!("| {} | {} | {} – {} | {ratio} |\n", row.name, figure(median), figure(*min), figure(*max))
}

fn middle(values: &[f64]) -> f64 {
    median(&sorted(values))
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Three significant digits are all that such a measurement gives.
fn figure(value: f64) -> String {
    match value {
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: Group = Group { name: "g", title: "a group", unit: "µs", systems: &[] };
    const OPTIONS: Options = Options { quick: false, pin: true, rounds: 3 };

    fn row(name: &'static str, values: &[f64]) -> Row {
        Row { name, values: values.to_vec(), skipped: None }
    }

    #[test]
    fn rows_show_median_extremes_and_ratio() {
        let rows = [row("ours", &[3.0, 1.0, 2.0]), row("theirs", &[400.0, 20.0, 30.0])];
        let text = render(&GROUP, OPTIONS, &rows);
        assert!(text.contains("all processes on one core"), "{text}");
        assert!(text.contains("| ours | 2.00 | 1.00 – 3.00 | 1.00 |"), "{text}");
        assert!(text.contains("| theirs | 30.0 | 20.0 – 400 | 15.00 |"), "{text}");
    }

    #[test]
    fn what_was_skipped_says_why() {
        let skipped = Row { skipped: Some("no python3".into()), ..row("CPython", &[]) };
        let text = render(&GROUP, OPTIONS, &[row("ours", &[1.0]), skipped]);
        assert!(text.contains("| CPython | – | – | – |"), "{text}");
        assert!(text.contains("`CPython` was skipped: no python3."), "{text}");
    }
}
