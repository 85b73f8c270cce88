//! [`HostSpec`]: a host with the number of its workers, as `node2:16`.

use std::net::Ipv6Addr;
use std::num::NonZeroUsize;

use super::spec_error::SpecError;

/// A host, and how many workers it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostSpec {
    /// A name or an address, with the user before an `@` where one was given. An IPv6 address is without brackets.
    pub(crate) host: String,
    /// `None`: one for each of its processors.
    pub(crate) workers: Option<NonZeroUsize>,
}

const EXPECTED: &str = "a host, such as `node1`, `user@node1:16` or `[fd00::1]:16`";

impl HostSpec {
    /// Reads `host`, `host:workers`, `user@host:workers`, `[address]:workers` or a bare address.
    ///
    /// # Errors
    ///
    /// [`SpecError`]: an empty name, a name that a launcher would take for an option, or a number of workers that is none.
    pub(crate) fn parse(text: &str) -> Result<HostSpec, SpecError> {
        let wrong = |why: &str| SpecError::new(text, EXPECTED, why);
        let (user, place) = match text.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, text),
        };
        let (name, workers) = split(place).map_err(|why| wrong(&why))?;
        let workers = workers.map(|number| number.parse().map_err(|_| wrong("the number of workers is not from 1 up")));
        check_name(name, ":").map_err(|why| wrong(&why))?;
        let host = match user {
            Some(user) => {
                check_name(user, "").map_err(|why| wrong(&why))?;
                format!("{user}@{name}")
            }
            None => name.to_owned(),
        };
        Ok(HostSpec { host, workers: workers.transpose()? })
    }

    /// Reads several, between commas or blanks.
    ///
    /// # Errors
    ///
    /// As [`parse`](HostSpec::parse).
    pub(crate) fn parse_list(text: &str) -> Result<Vec<HostSpec>, SpecError> {
        let words = text.split(|separator: char| separator == ',' || separator.is_whitespace());
        words.filter(|word| !word.is_empty()).map(HostSpec::parse).collect()
    }

    /// Returns the name or address without the user.
    pub(crate) fn address(&self) -> &str {
        self.host.rsplit_once('@').map_or(&self.host, |(_, address)| address)
    }
}

/// Separates the name from the number of workers.
fn split(place: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(rest) = place.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or("a bracket is not closed")?;
        is_v6(address).then_some(()).ok_or("the brackets hold no IPv6 address")?;
        return match after.strip_prefix(':') {
            Some(workers) => Ok((address, Some(workers))),
            None if after.is_empty() => Ok((address, None)),
            None => Err(format!("`{after}` follows the bracket")),
        };
    }
    match place.split_once(':') {
        None => Ok((place, None)),
        Some((name, workers)) if !workers.contains(':') => Ok((name, Some(workers))),
        // Its last group could as well be a number of workers, but the whole is an address.
        Some(_) if is_v6(place) => Ok((place, None)),
        Some(_) => Err("it has several colons and is no IPv6 address".to_owned()),
    }
}

/// An address may name the interface behind a `%`.
fn is_v6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A name goes into command lines, where a launcher must not take it for an option or for several words.
fn check_name(name: &str, also: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("a name is empty".to_owned());
    }
    if name.starts_with('-') {
        return Err("a name begins with `-`".to_owned());
    }
    let is_allowed = |letter: char| letter.is_alphanumeric() || "-_.%".contains(letter) || also.contains(letter);
    match name.chars().find(|&letter| !is_allowed(letter)) {
        Some(letter) => Err(format!("a name holds {letter:?}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Option<(String, Option<usize>)> {
        let spec = HostSpec::parse(text).ok()?;
        Some((spec.host, spec.workers.map(NonZeroUsize::get)))
    }

    #[test]
    fn hosts_are_read_in_each_form() {
        let good = [
            ("node1", "node1", None),
            ("node2:16", "node2", Some(16)),
            ("u@h", "u@h", None),
            ("u@h.example.org:3", "u@h.example.org", Some(3)),
            ("10.0.0.7:2", "10.0.0.7", Some(2)),
            ("[::1]:4", "::1", Some(4)),
            ("[fd00::7]", "fd00::7", None),
            ("u@[fe80::1%eth0]:3", "u@fe80::1%eth0", Some(3)),
            ("fe80::1:2", "fe80::1:2", None),
        ];
        for (text, host, workers) in good {
            assert_eq!(parsed(text), Some((host.to_owned(), workers)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_their_fault() {
        let bad = [
            "",
            ":4",
            "a:0",
            "a:-1",
            "a:b",
            "a:",
            "-oProxyCommand=x",
            "u@-x",
            "@h",
            "a b",
            "a;b",
            "a'b",
            "[::1",
            "[x]",
            "[::1]x",
            "a:1:2",
        ];
        for text in bad {
            assert_eq!(parsed(text), None, "{text}");
        }
        let error = HostSpec::parse("node:0").unwrap_err().to_string();
        let expected = "cannot read `node:0` as a host, such as `node1`, `user@node1:16` or `[fd00::1]:16`: the number of workers is not from 1 up";
        assert_eq!(error, expected);
    }

    #[test]
    fn a_list_has_commas_or_blanks() {
        let list = HostSpec::parse_list(" a, b:2\n\nu@c ,[::1]:3,").unwrap();
        assert_eq!(list.iter().map(|spec| spec.host.as_str()).collect::<Vec<_>>(), ["a", "b", "u@c", "::1"]);
        assert_eq!(list[2].address(), "c");
        assert!(HostSpec::parse_list(" , ").unwrap().is_empty());
        assert!(HostSpec::parse_list("a b:x").is_err());
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(user in prop::option::of("[a-z_][a-z0-9_-]{0,5}"), name in "[a-z0-9][a-z0-9.-]{0,12}", workers in prop::option::of(1_usize..10_000)) {
            let host = user.map_or(name.clone(), |user| format!("{user}@{name}"));
            let text = workers.map_or(host.clone(), |number| format!("{host}:{number}"));
            prop_assert_eq!(parsed(&text), Some((host, workers)));
        }

        #[test]
        fn no_text_panics_and_no_host_is_an_option(text in ".{0,30}") {
            if let Ok(spec) = HostSpec::parse(&text) {
                prop_assert!(!spec.host.starts_with('-') && !spec.host.contains(char::is_whitespace) && !spec.address().is_empty());
            }
        }
    }
}
