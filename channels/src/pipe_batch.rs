//! Messages of a pipe by the dozen, and those that nobody wants.

use std::sync::atomic::Ordering::Relaxed;

use crate::error::{RecvError, TryRecvError};
use crate::inlet::{Batch, Unreceived};
use crate::patience::Until;
use crate::pipe_receiver::PipeReceiver;
use crate::typed::within;

impl<T> PipeReceiver<T> {
    /// Receives up to `most` messages of plain bytes that are there, waiting for the first. They are appended to `buffer`, and
    /// where each ends in it to `ends`. Answers how many there were. A large one comes alone.
    ///
    /// # Errors
    ///
    /// As for [`recv_bytes`](Self::recv_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// sender.send_bytes(b"one")?;
    /// sender.send_bytes(b"three")?;
    /// let (mut buffer, mut ends) = (Vec::new(), Vec::new());
    /// assert_eq!(receiver.recv_many_bytes(10, &mut buffer, &mut ends)?, 2);
    /// assert_eq!((&buffer[..], &ends[..]), (&b"onethree"[..], &[3, 8][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_many_bytes(
        &self,
        most: usize,
        buffer: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<usize, RecvError> {
        Ok(self.take_many_bytes(most, buffer, ends, Until::FOREVER)?)
    }

    /// As [`recv_many_bytes`](Self::recv_many_bytes), without waiting.
    ///
    /// # Errors
    ///
    /// There is none; else as for [`recv_bytes`](Self::recv_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, _sender) = procession_channels::one_way::<()>()?;
    /// assert!(receiver.try_recv_many_bytes(9, &mut Vec::new(), &mut Vec::new()).is_err());
    /// # Ok::<(), procession_channels::ChannelError>(())
    /// ```
    pub fn try_recv_many_bytes(
        &self,
        most: usize,
        buffer: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<usize, TryRecvError> {
        Ok(self.take_many_bytes(most, buffer, ends, Until::Now)?)
    }

    /// Throws the next message away without waiting, and returns its length in bytes: the way past a message that is
    /// [too long](crate::ChannelError::is_too_long), and that may be wanted by nobody. Descriptors that it carries are closed.
    ///
    /// # Errors
    ///
    /// As for [`try_recv`](Self::try_recv), apart from those of decoding.
    ///
    /// # Examples
    ///
    /// ```
    /// let (receiver, sender) = procession_channels::one_way::<()>()?;
    /// sender.send_bytes(&[0; 100])?;
    /// sender.send_bytes(b"short")?;
    /// receiver.set_max_len(10);
    /// assert!(receiver.try_recv_bytes().is_err());
    /// assert_eq!(receiver.skip()?, 100);
    /// assert_eq!(receiver.recv_bytes()?, b"short");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skip(&self) -> Result<usize, TryRecvError> {
        Ok(self.inlet.skip(Until::Now)?)
    }

    fn take_many_bytes(
        &self,
        most: usize,
        buffer: &mut Vec<u8>,
        ends: &mut Vec<usize>,
        until: Until,
    ) -> Result<usize, Unreceived> {
        let before = ends.len();
        let limit = self.limit.load(Relaxed);
        let mut batch = Batch { bytes: std::mem::take(buffer), ends: std::mem::take(ends) };
        let done = self.inlet.recv_batch(&mut batch, most.max(1), until, |_, len| within(len, limit));
        (*buffer, *ends) = (batch.bytes, batch.ends);
        done?;
        if ends.len() == before {
            // A large one, or one that carries descriptors.
            buffer.extend_from_slice(&self.inlet.recv_in_place(until, limit)?);
            ends.push(buffer.len());
        }
        Ok(ends.len() - before)
    }
}
