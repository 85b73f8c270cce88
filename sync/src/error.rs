//! [`CreateError`]: a primitive could not be made.

use procession_core::MappingError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A shared primitive could not be made: there is too little memory, or a number is out of its range.
///
/// It can be sent to another process, which gets the same text.
///
/// # Examples
///
/// ```
/// use procession_sync::{Barrier, Shared};
///
/// let error = Barrier::new(0).unwrap_err();
/// assert_eq!(error.to_string(), "a barrier for 0 parties would never open, use 1 to 480");
///
/// let error = Shared::<[u64]>::from_fn(1 << 50, |_| 0).unwrap_err();
/// assert!(error.is_out_of_memory());
/// ```
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CreateError(#[from] CreateErrorKind);

/// The reason.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateErrorKind {
    #[error("no memory for a shared value: {0}")]
    Memory(MappingError),
    #[error("{count} elements of {size} bytes are more than any memory holds, ask for fewer")]
    TooLarge { count: usize, size: usize },
    #[error("a type aligned to {0} bytes cannot be shared, only up to 4096 are possible")]
    Alignment(usize),
    #[error("a barrier for {asked} parties would never open, use 1 to {max}")]
    Parties { asked: u32, max: u32 },
    #[error("a row cannot have {asked} parts, use 1 to {max}")]
    Parts { asked: usize, max: usize },
    #[error("a semaphore cannot have {asked} permits, use at max {max}")]
    Permits { asked: u32, max: u32 },
    #[error("{text}")]
    Received { text: String, out_of_memory: bool },
}

impl CreateError {
    /// Returns whether there was too little memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = procession_sync::Semaphore::new(u32::MAX).unwrap_err();
    /// assert!(!error.is_out_of_memory());
    /// ```
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        match &self.0 {
            CreateErrorKind::Memory(error) => error.is_out_of_memory(),
            CreateErrorKind::TooLarge { .. } => true,
            CreateErrorKind::Received { out_of_memory, .. } => *out_of_memory,
            _ => false,
        }
    }
}

/// Sends the text: an error of the operating system cannot be sent.
impl Serialize for CreateError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.to_string(), self.is_out_of_memory()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CreateError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (text, out_of_memory) = Deserialize::deserialize(deserializer)?;
        Ok(CreateErrorKind::Received { text, out_of_memory }.into())
    }
}
