//! Slurm's lists: nodes as `n[001-003,7],login`, numbers as `16(x2),8`.

use std::num::NonZeroUsize;

use super::host_spec::HostSpec;
use super::spec_error::SpecError;

const NODES: &str = "Slurm's list of nodes, such as `n[001-003,7]`";
const COUNTS: &str = "Slurm's list of numbers, such as `16(x2),8`";

/// Nodes that a list may name. Slurm itself has the limit 65,533.
const MAX_NODES: usize = 1 << 16;

/// Reads the nodes and, where they are given, the number of processors of each in the same order.
///
/// # Errors
///
/// [`SpecError`]: one of the two is malformed, or their lengths differ.
pub(crate) fn parse(nodes: &str, processors: Option<&str>) -> Result<Vec<HostSpec>, SpecError> {
    let names = expand(nodes)?;
    let Some(text) = processors else {
        return names.iter().map(|name| HostSpec::parse(name)).collect();
    };
    let counts = expand_counts(text)?;
    if counts.len() != names.len() {
        let why = format!("there are {} numbers for {} nodes", counts.len(), names.len());
        return Err(SpecError::new(text, COUNTS, why));
    }
    let hosts =
        names.iter().zip(counts).map(|(name, count)| Ok(HostSpec { workers: Some(count), ..HostSpec::parse(name)? }));
    hosts.collect()
}

/// Returns the names that a list stands for.
fn expand(text: &str) -> Result<Vec<String>, SpecError> {
    let wrong = |why: String| SpecError::new(text, NODES, why);
    let mut names = Vec::new();
    for part in split_outside(text).map_err(wrong)? {
        names.extend(expand_part(part).map_err(wrong)?);
        if names.len() > MAX_NODES {
            return Err(wrong(format!("it names more than {MAX_NODES} nodes")));
        }
    }
    Ok(names)
}

/// Splits at the commas that stand outside of brackets.
fn split_outside(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut is_inside) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '[' if is_inside => return Err("a bracket stands in brackets".to_owned()),
            ']' if !is_inside => return Err("a bracket is closed that was not opened".to_owned()),
            '[' | ']' => is_inside = !is_inside,
            ',' if !is_inside => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if is_inside {
        return Err("a bracket is not closed".to_owned());
    }
    parts.push(&text[start..]);
    if parts.iter().any(|part| part.is_empty()) {
        return Err("a name is empty".to_owned());
    }
    Ok(parts)
}

/// The names of one part: each of its brackets multiplies them.
fn expand_part(part: &str) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('[') {
        // Whether brackets match was checked when the list was split.
        let (inside, after) = after.split_once(']').unwrap_or((after, ""));
        let numbers = expand_ranges(inside)?;
        if names.len().saturating_mul(numbers.len()) > MAX_NODES {
            return Err(format!("it names more than {MAX_NODES} nodes"));
        }
        names =
            names.iter().flat_map(|name| numbers.iter().map(move |number| format!("{name}{before}{number}"))).collect();
        rest = after;
    }
    Ok(names.into_iter().map(|name| name + rest).collect())
}

/// The numbers of `001-003,7`, each as wide as the first of its range.
fn expand_ranges(text: &str) -> Result<Vec<String>, String> {
    let mut numbers = Vec::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let width = first.len();
        let (first, last) = (number(first)?, number(last)?);
        if last < first || last - first >= MAX_NODES as u64 {
            return Err(format!("the range `{range}` is empty or too long"));
        }
        numbers.extend((first..=last).map(|number| format!("{number:0width$}")));
        if numbers.len() > MAX_NODES {
            return Err(format!("it names more than {MAX_NODES} nodes"));
        }
    }
    Ok(numbers)
}

fn number(digits: &str) -> Result<u64, String> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| digits.parse().ok()).flatten();
    number.ok_or_else(|| format!("`{digits}` is not a number"))
}

/// Returns the numbers that `16(x2),8` stands for.
fn expand_counts(text: &str) -> Result<Vec<NonZeroUsize>, SpecError> {
    let mut counts = Vec::new();
    for part in text.split(',') {
        let (count, times) = match part.split_once("(x") {
            Some((count, times)) => (count, times.strip_suffix(')').and_then(|times| times.parse().ok())),
            None => (part, Some(1)),
        };
        let (Ok(count), Some(times)) = (count.parse::<NonZeroUsize>(), times) else {
            return Err(SpecError::new(text, COUNTS, format!("`{part}` is no number")));
        };
        if times > MAX_NODES || counts.len() + times > MAX_NODES {
            return Err(SpecError::new(text, COUNTS, format!("it has more than {MAX_NODES} numbers")));
        }
        counts.extend(std::iter::repeat_n(count, times));
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Vec<String> {
        expand(text).unwrap()
    }

    #[test]
    fn lists_are_expanded_as_slurm_does() {
        assert_eq!(names("n[001-003,7]"), ["n001", "n002", "n003", "n7"]);
        assert_eq!(names("login,gpu-[1-2]x[0-1]s"), ["login", "gpu-1x0s", "gpu-1x1s", "gpu-2x0s", "gpu-2x1s"]);
        assert_eq!(names("a[9-11]"), ["a9", "a10", "a11"]);
        assert_eq!(names("tux"), ["tux"]);
    }

    #[test]
    fn processors_are_matched_with_nodes() {
        let hosts = parse("n[1-3]", Some("16(x2),8")).unwrap();
        let pairs: Vec<_> = hosts.iter().map(|spec| (spec.host.as_str(), spec.workers.unwrap().get())).collect();
        assert_eq!(pairs, [("n1", 16), ("n2", 16), ("n3", 8)]);
        assert_eq!(parse("n1", None).unwrap()[0].workers, None);
        assert!(parse("n[1-3]", Some("16(x2)")).unwrap_err().to_string().contains("2 numbers for 3 nodes"));
    }

    #[test]
    fn malformed_lists_are_refused() {
        for bad in [
            "",
            ",",
            "a,",
            "n[",
            "n]",
            "n[1",
            "n[[1]]",
            "n[]",
            "n[3-1]",
            "n[x]",
            "n[1-]",
            "n[0-99999]",
            "n[0-999][0-999]",
            "a b",
        ] {
            assert!(parse(bad, None).is_err(), "{bad}");
        }
        for bad in ["", "0", "x", "1(x", "1(x2", "1(xx)", "1(x99999999)", "-1"] {
            assert!(parse("n1", Some(bad)).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_range_is_each_of_its_numbers(first in 0_u64..2000, more in 0_u64..200, width in 1_usize..6) {
            let text = format!("n[{first:0width$}-{:0width$}]", first + more);
            let expected: Vec<_> = (first..=first + more).map(|number| format!("n{number:0width$}")).collect();
            prop_assert_eq!(names(&text), expected);
        }

        #[test]
        fn no_text_panics(text in "[a-c0-9\\[\\],x()-]{0,24}", counts in "[0-9x(),]{0,12}") {
            let _either = parse(&text, Some(&counts));
        }
    }
}
