//! [`Invitation`]: the one line that an agent reads from its standard input. It holds the key, so it goes no other way.

use std::net::SocketAddr;

use super::key::Key;

/// The first word of the line, with the version of what follows.
const HEAD: &str = "procession-agent-1";

/// Bytes of a line, at most. A larger number lets a stray input fill memory; a smaller one leaves less room for addresses.
pub(crate) const MAX_LINE_BYTES: usize = 8 << 10;

/// Addresses in a line, at most.
pub(crate) const MAX_ADDRESSES: usize = 32;

/// What an agent needs to reach its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invitation {
    pub(crate) key: Key,
    /// Where the driver listens. None: the agent uses its standard streams at once.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Invitation {
    /// Returns the line, with its end.
    pub(crate) fn to_line(&self) -> String {
        let addresses: Vec<_> = self.addresses.iter().take(MAX_ADDRESSES).map(ToString::to_string).collect();
        format!("{HEAD} {} {}\n", self.key.to_hex(), addresses.join(","))
    }

    /// Reads a line, without or with its end.
    ///
    /// # Errors
    ///
    /// A text that says what is wrong, without the key.
    pub(crate) fn parse(line: &str) -> Result<Invitation, String> {
        let mut words = line.trim_end_matches('\n').split(' ');
        if words.next() != Some(HEAD) {
            return Err(format!("the line does not begin with `{HEAD}`; is this another version of the library?"));
        }
        let key = words.next().and_then(Key::from_hex).ok_or("the line holds no key")?;
        let list = words.next().ok_or("the line ends before the addresses")?;
        let texts: Vec<_> = list.split(',').filter(|text| !text.is_empty()).collect();
        if texts.len() > MAX_ADDRESSES || words.next().is_some() {
            return Err("the line is longer than it may be".to_owned());
        }
        let address = |text: &&str| text.parse().map_err(|_| format!("`{text}` is no address"));
        Ok(Invitation { key, addresses: texts.iter().map(address).collect::<Result<_, String>>()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_is_read_as_it_was_written(addresses in prop::collection::vec(any::<SocketAddr>(), 0..=MAX_ADDRESSES)) {
            // A text has no flow information.
            let addresses = addresses.into_iter().map(|address| SocketAddr::new(address.ip(), address.port())).collect();
            let invitation = Invitation { key: Key::random().unwrap(), addresses };
            let line = invitation.to_line();
            prop_assert!(line.len() <= MAX_LINE_BYTES && line.ends_with('\n'));
            prop_assert_eq!(Invitation::parse(&line), Ok(invitation));
        }

        #[test]
        fn no_text_panics_and_no_error_holds_the_key(text in ".{0,80}", cut in 0_usize..90) {
            let _either = Invitation::parse(&text);
            let key = Key::random().unwrap();
            let line = Invitation { key: key.clone(), addresses: Vec::new() }.to_line();
            if let Err(error) = Invitation::parse(&line[..cut.min(line.len())]) {
                prop_assert!(!error.contains(&key.to_hex()[..16]));
            }
        }
    }

    #[test]
    fn other_lines_are_refused() {
        let key = "00".repeat(32);
        let good = format!("{HEAD} {key} 10.0.0.1:5,[::1]:6");
        assert_eq!(Invitation::parse(&good).unwrap().addresses.len(), 2);
        let bad = [
            String::new(),
            HEAD.to_owned(),
            format!("{HEAD} {key}"),
            format!("{good} x"),
            format!("{HEAD} {key} 10.0.0.1"),
            good.replace('1', "2"),
        ];
        for line in bad {
            assert!(Invitation::parse(&line).is_err(), "{line}");
        }
    }
}
