//! The files of PBS and LSF: a host each line, once for each worker that it is to have.

use std::num::NonZeroUsize;

use super::host_spec::HostSpec;
use super::spec_error::SpecError;

/// Reads a file of hosts. A host gets as many workers as it has lines, in the order of the first ones.
///
/// # Errors
///
/// [`SpecError`]: a line that names no host.
pub(crate) fn parse(text: &str) -> Result<Vec<HostSpec>, SpecError> {
    let mut hosts: Vec<HostSpec> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let spec = HostSpec::parse(line)?;
        let lines = spec.workers.unwrap_or(NonZeroUsize::MIN);
        // The lines of a host stand together, so the search from the end finds it at once.
        match hosts.iter_mut().rev().find(|known| known.host == spec.host) {
            Some(known) => known.workers = known.workers.map(|workers| workers.saturating_add(lines.get())),
            None => hosts.push(HostSpec { workers: Some(lines), ..spec }),
        }
    }
    Ok(hosts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_workers() {
        let hosts = parse("n1\nn1\n\nn2\r\nn1\n").unwrap();
        let pairs: Vec<_> = hosts.iter().map(|spec| (spec.host.as_str(), spec.workers.unwrap().get())).collect();
        assert_eq!(pairs, [("n1", 3), ("n2", 1)]);
        assert!(parse("n1\n-x\n").is_err());
        assert!(parse("").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn no_line_is_lost(lines in prop::collection::vec(0_usize..5, 0..60)) {
            let text: String = lines.iter().map(|number| format!("host{number}\n")).collect();
            let hosts = parse(&text).unwrap();
            prop_assert_eq!(hosts.iter().map(|spec| spec.workers.unwrap().get()).sum::<usize>(), lines.len());
            for (number, spec) in hosts.iter().map(|spec| (spec.host[4..].parse::<usize>().unwrap(), spec)) {
                prop_assert_eq!(spec.workers.unwrap().get(), lines.iter().filter(|&&line| line == number).count());
            }
        }
    }
}
