//! [`CallError`]: why a call has no result.

use thiserror::Error;

use crate::bytes::codec::{DecodeError, EncodeError};

/// A call came to no result.
///
/// ```
/// use procession_core::{CallError, Function, codec};
///
/// let double = Function::of(|n: u64| n * 2)?;
/// let outcome = double.call(codec::encode(&())?, None);
/// assert!(matches!(outcome, Err(CallError::Argument(_))), "nothing is no number");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The argument could not be decoded. The function has not run.
    #[error("the function was not called: {0}")]
    Argument(DecodeError),
    /// The function has run, and its result could not be encoded.
    #[error("the function returned, but {0}")]
    Result(EncodeError),
    /// The function takes a control link, and the call brought none; or the other way round.
    #[error("the function was called without the control link that it takes")]
    Link,
}
