//! [`CreateError`]: a primitive could not be made.

use procession_core::MappingError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A shared primitive could not be made: too little memory, or a number that makes no sense.
///
/// It can be sent to another process, which is told the same.
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
pub struct CreateError(#[from] Fault);

/// What was wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("no memory for a shared value: {0}")]
    Memory(MappingError),
    #[error("{count} elements of {size} bytes are more than any memory holds, ask for fewer")]
    TooLarge { count: usize, size: usize },
    #[error("a type aligned to {0} bytes cannot be shared, only up to 4096 are possible")]
    Alignment(usize),
    #[error("a barrier for {asked} parties would never open, use 1 to {most}")]
    Parties { asked: u32, most: u32 },
    #[error("a row cannot have {asked} parts, use 1 to {most}")]
    Parts { asked: usize, most: usize },
    #[error("a semaphore cannot have {asked} permits, use at most {most}")]
    Permits { asked: u32, most: u32 },
    #[error("{text}")]
    Told { text: String, out_of_memory: bool },
}

impl CreateError {
    /// Whether less would have been possible.
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
            Fault::Memory(error) => error.is_out_of_memory(),
            Fault::TooLarge { .. } => true,
            Fault::Told { out_of_memory, .. } => *out_of_memory,
            _ => false,
        }
    }
}

/// What the operating system said cannot be sent, but its words can.
impl Serialize for CreateError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.to_string(), self.is_out_of_memory()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CreateError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (text, out_of_memory) = Deserialize::deserialize(deserializer)?;
        Ok(Fault::Told { text, out_of_memory }.into())
    }
}
