//! What the properties share: how many cases, which sizes, which bytes, and how to wait for a process.

use std::time::Duration;

use procession_process::{JoinError, Process};
use proptest::prelude::*;

/// Nothing takes so long unless it hangs.
pub(crate) const GUARD: Duration = Duration::from_secs(60);

/// A case starts processes, so there are fewer than usual, unless one asks for more.
pub(crate) fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(12), failure_persistence: None, ..ProptestConfig::default() }
}

/// How long a message is: from nothing to three times the piece of memory that small ones share. From 16 KiB on they do not
/// lie among the small ones, and a piece ends after 64 KiB, so lengths around both are frequent.
pub(crate) fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        12 => 0..200_usize,
        3 => 200..9000_usize,
        2 => 16_300..16_450_usize,
        1 => 65_400..65_600_usize,
        1 => 0..=3 * 65_536_usize,
    ]
}

/// The bytes of a message: they follow from who sends it and which it is.
pub(crate) fn text(who: usize, number: usize, len: usize) -> Vec<u8> {
    let piece: Vec<u8> = (0..251).map(|at| (at * 7 + number * 31 + who * 101) as u8).collect();
    let mut text = piece.repeat(len / piece.len() + 1);
    text.truncate(len);
    text
}

/// What a process came to; a hang is a failure.
pub(crate) fn outcome<R: serde::de::DeserializeOwned>(process: &Process<R>) -> Result<R, TestCaseError> {
    match process.join_timeout(GUARD) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(TestCaseError::fail("a process hangs")),
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &JoinError) -> TestCaseError {
    TestCaseError::fail(format!("a process failed: {error}"))
}
