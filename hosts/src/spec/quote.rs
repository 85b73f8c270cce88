//! [`quote`]: a text as one word of a shell's command line.

/// Returns `text` as one word for a POSIX shell, whatever is in it.
pub(crate) fn quote(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+,=".contains(&byte);
    // Plain words stay readable in `ps` and in errors. An empty one would vanish.
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    // Inside single quotes all characters but the quote itself stand for themselves.
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn words(line: &str) -> Vec<String> {
        let script = format!("for word in {line}; do printf '%s\\0' \"$word\"; done");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn a_shell_reads_what_was_quoted(one in "[^\0]{0,20}", two in "['\"\\\\$`!\n~*# -]{0,8}") {
            prop_assert_eq!(words(&format!("{} {}", quote(&one), quote(&two))), [one.clone(), two.clone()]);
            // Once more around, as for a shell that is started by another.
            let nested = quote(&quote(&one));
            prop_assert_eq!(words(&nested), [quote(&one)]);
        }
    }

    #[test]
    fn plain_words_stay_as_they_are() {
        assert_eq!(quote("/usr/bin/a-b_c.d"), "/usr/bin/a-b_c.d");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("~"), "'~'");
    }
}
