//! A number on the command line.

use std::str::FromStr;

use lexopt::Parser;

use crate::failure::Failure;

/// The number after an option of that name.
pub(crate) fn number<T: FromStr>(arguments: &mut Parser, option: &str) -> Result<T, Failure> {
    let value = arguments.value()?;
    let number = value.to_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| {
        Failure::usage(format!("--{option} takes a whole number that is not negative, not `{}`", value.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<u64, Failure> {
        let mut arguments = Parser::from_args(words);
        arguments.next()?;
        number(&mut arguments, "seed")
    }

    #[test]
    fn what_is_no_number_is_named_with_its_option() {
        assert_eq!(parsed(&["--seed", "7"]).unwrap(), 7);
        let failure = parsed(&["--seed", "-1"]).unwrap_err().to_string();
        assert_eq!(failure, "--seed takes a whole number that is not negative, not `-1`");
    }
}
