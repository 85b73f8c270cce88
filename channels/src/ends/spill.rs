//! [`SpillTarget`]: where the large blocks of a value go while it is encoded.

use procession_core::codec::Spill;

use super::error::RawSendError;
use super::raw_sender::RawSender;
use crate::memory::large_message::LargeMessage;
use crate::memory::until::Until;
use crate::tuning::BYTES_AFTER_BLOCK;

/// Writes the large blocks of a value where the message will be read.
#[derive(Debug)]
pub(crate) struct SpillTarget<'a> {
    sender: &'a RawSender,
    until: Until,
    pub(crate) message: Option<LargeMessage<'a>>,
    /// Why the beginning that was taken cannot be followed by the rest.
    pub(crate) failed: Option<RawSendError>,
}

impl<'a> SpillTarget<'a> {
    pub(crate) fn new(sender: &'a RawSender, until: Until) -> SpillTarget<'a> {
        SpillTarget { sender, until, message: None, failed: None }
    }

    fn write(&mut self, before: &[u8], block: &[u8]) -> Result<(), RawSendError> {
        let message = match &mut self.message {
            Some(message) => message,
            none => {
                let capacity = before.len() as u64 + block.len() as u64 + BYTES_AFTER_BLOCK;
                none.insert(self.sender.large_message(capacity, self.until)?)
            }
        };
        message.append(before)?;
        Ok(message.append(block)?)
    }
}

impl Spill for SpillTarget<'_> {
    fn spill(&mut self, before: &[u8], block: &[u8]) -> bool {
        // After a failure the rest is thrown away, which costs less than to keep it.
        if self.failed.is_none() {
            self.failed = self.write(before, block).err();
        }
        true
    }

    fn amend(&mut self, at: usize, bytes: &[u8]) {
        if self.failed.is_none()
            && let Some(message) = &mut self.message
        {
            self.failed = message.overwrite(at as u64, bytes).err().map(RawSendError::from);
        }
    }
}
