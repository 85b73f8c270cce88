//! The choice that every listener and client makes: a key, or on purpose none.

use std::fmt;
use std::sync::Arc;

use super::auth::Secret;

/// What was chosen.
#[derive(Clone, Default)]
pub(super) enum Choice {
    #[default]
    Nothing,
    NoKey,
    Key(Vec<u8>),
}

/// Why it cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    NoKey,
    EmptyKey,
}

impl Choice {
    /// What a handshake needs; nothing where there is none.
    pub(super) fn into_secret(self, legacy: bool) -> Result<Option<Arc<Secret>>, Unusable> {
        match self {
            Choice::Nothing => Err(Unusable::NoKey),
            Choice::NoKey => Ok(None),
            Choice::Key(key) if key.is_empty() => Err(Unusable::EmptyKey),
            Choice::Key(key) => Ok(Some(Arc::new(Secret { key, legacy }))),
        }
    }
}

impl fmt::Debug for Choice {
    /// Shows everything but the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Choice::Nothing => "not chosen",
            Choice::NoKey => "no key",
            Choice::Key(_) => "a key",
        })
    }
}
