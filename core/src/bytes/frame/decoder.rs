//! The decoder: bytes in, frames out, in memory that follows the bytes.

use std::mem;

use super::error::FrameError;
use super::header::FrameHeader;

/// One message as it was cut out of the stream.
///
/// # Examples
///
/// ```
/// use procession_core::frame::{FrameDecoder, FrameHeader};
///
/// let mut decoder = FrameDecoder::new(10);
/// decoder.push(&FrameHeader::new(0, 1)?.encode());
/// let frame = decoder.next()?.unwrap();
/// assert_eq!((frame.payload.len(), frame.descriptors), (0, 1));
/// # Ok::<(), procession_core::frame::FrameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The bytes of the message.
    pub payload: Vec<u8>,
    /// How many descriptors belong to it.
    pub descriptors: u16,
}

/// The least free space, in bytes, that is offered for reading into: at first, and at most.
const FIRST_SPACE: usize = 1 << 10;
const MOST_SPACE: usize = 64 << 10;

/// Frames whose payload is longer than this, in bytes, are read straight into a vector of their own.
const LARGE: usize = 64 << 10;

/// Cuts a stream of bytes into frames, however the bytes arrive.
///
/// Memory is taken as bytes arrive, never on the word of a header. After an error the stream has no meaning any more:
/// the decoder stays with that error.
///
/// # Examples
///
/// Bytes can be [pushed](Self::push), or read straight into the decoder:
///
/// ```
/// use std::io::Read;
/// use procession_core::frame::{FrameDecoder, FrameHeader};
///
/// let mut stream = FrameHeader::new(4, 0)?.encode().to_vec();
/// stream.extend(b"ping");
/// let mut source = &stream[..];
///
/// let mut decoder = FrameDecoder::new(1000);
/// let count = source.read(decoder.space())?;
/// decoder.filled(count);
/// assert_eq!(decoder.next()?.unwrap().payload, b"ping");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FrameDecoder {
    limit: usize,
    /// Bytes that are not yet part of a frame lie in `start..end`; what follows is free.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// How much space to offer: little until a read has filled it, because most links carry small messages.
    appetite: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The next byte in the buffer belongs to a header.
    Between,
    /// A large payload is being read; the buffer is empty as long as it is incomplete.
    Inside(Large),
    Failed(FrameError),
}

/// A payload that is read into its own vector.
#[derive(Debug)]
struct Large {
    header: FrameHeader,
    /// The first `got` bytes have arrived, the others are free.
    payload: Vec<u8>,
    got: usize,
}

impl FrameDecoder {
    /// A decoder for a stream whose payloads are at most `limit` bytes long.
    ///
    /// # Examples
    ///
    /// ```
    /// let decoder = procession_core::frame::FrameDecoder::new(1 << 20);
    /// assert!(decoder.finish().is_ok());
    /// ```
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, buffer: Vec::new(), start: 0, end: 0, appetite: FIRST_SPACE, state: State::Between }
    }

    /// Takes in bytes of the stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::frame::{FrameDecoder, FrameHeader};
    ///
    /// let mut decoder = FrameDecoder::new(100);
    /// decoder.push(&FrameHeader::new(5, 0)?.encode());
    /// decoder.push(b"hel");
    /// assert!(decoder.next()?.is_none(), "two bytes are missing");
    /// decoder.push(b"lo");
    /// assert_eq!(decoder.next()?.expect("a frame").payload, b"hello");
    /// # Ok::<(), procession_core::frame::FrameError>(())
    /// ```
    pub fn push(&mut self, mut bytes: &[u8]) {
        if matches!(self.state, State::Failed(_)) {
            return;
        }
        while !bytes.is_empty() {
            let wanted = bytes.len();
            let space = self.space_for(wanted);
            let count = space.len().min(wanted);
            let (now, later) = bytes.split_at(count);
            space[..count].copy_from_slice(now);
            self.filled(count);
            bytes = later;
        }
    }

    /// A place to read the next bytes of the stream into, never empty. Say with [`filled`](Self::filled) how many there
    /// were.
    ///
    /// Take out all frames before asking for more space: it spares memory, and the bytes of a large payload then arrive
    /// at their final place.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::frame::{FrameDecoder, FrameHeader};
    /// use std::io::{Read, Write};
    ///
    /// let (mut reader, mut writer) = std::io::pipe()?;
    /// writer.write_all(&FrameHeader::new(2, 0)?.encode())?;
    /// writer.write_all(b"ok")?;
    ///
    /// let mut decoder = FrameDecoder::new(100);
    /// let frame = loop {
    ///     if let Some(frame) = decoder.next()? {
    ///         break frame;
    ///     }
    ///     let count = reader.read(decoder.space())?;
    ///     decoder.filled(count);
    /// };
    /// assert_eq!(frame.payload, b"ok");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn space(&mut self) -> &mut [u8] {
        self.space_for(self.appetite)
    }

    /// Takes in the first `count` bytes of the [`space`](Self::space) that was offered last.
    ///
    /// # Panics
    ///
    /// If `count` is more than was offered.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::frame::{FrameDecoder, FrameHeader};
    ///
    /// let mut decoder = FrameDecoder::new(100);
    /// let header = FrameHeader::new(0, 0)?.encode();
    /// decoder.space()[..header.len()].copy_from_slice(&header);
    /// decoder.filled(header.len());
    /// assert!(decoder.next()?.expect("a frame").payload.is_empty());
    /// # Ok::<(), procession_core::frame::FrameError>(())
    /// ```
    pub fn filled(&mut self, count: usize) {
        let (end, len) = match &mut self.state {
            State::Inside(large) if large.has_room() => (&mut large.got, large.payload.len()),
            _ => (&mut self.end, self.buffer.len()),
        };
        // The count is the caller's. A wrong one would hand out bytes that never came, so it panics also in release builds.
        assert!(count <= len - *end, "more bytes were filled in than there was space for");
        *end += count;
        if *end == len {
            // The space was filled to its end, so there is likely more: a larger space needs fewer system calls for it.
            self.appetite = (self.appetite * 4).min(MOST_SPACE);
        }
        if matches!(self.state, State::Failed(_)) {
            // What follows a fault is thrown away: a peer could otherwise fill the memory with bytes that no frame takes.
            self.end = 0;
        }
    }

    /// The next frame, if all of it has arrived.
    ///
    /// # Errors
    ///
    /// The bytes are no frames, or a frame is longer than the limit. It is the same error from then on.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::frame::{FrameDecoder, FrameError, FrameHeader};
    ///
    /// let mut decoder = FrameDecoder::new(100);
    /// decoder.push(&FrameHeader::new(101, 0)?.encode());
    /// let error = FrameError::TooLarge { len: 101, limit: 100 };
    /// assert_eq!(decoder.next(), Err(error));
    /// assert_eq!(decoder.next(), Err(error));
    /// # Ok::<(), FrameError>(())
    /// ```
    #[expect(clippy::should_implement_trait, reason = "a decoder is no iterator: it goes on after `None`")]
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        match &mut self.state {
            // Behind a wrong header no later one can be found, so the fault is kept and returned again.
            State::Between => self.cut().inspect_err(|&error| self.fail(error)),
            State::Inside(large) if large.is_complete() => {
                let frame = large.take();
                self.state = State::Between;
                Ok(Some(frame))
            }
            State::Inside(_) => Ok(None),
            State::Failed(error) => Err(*error),
        }
    }

    /// Says whether the stream may end here: after a whole frame, and with nothing unread.
    ///
    /// # Errors
    ///
    /// [`FrameError::Truncated`] if bytes are left that [`next`](Self::next) has not given out, or the error that was
    /// found before.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::frame::{FrameDecoder, FrameError};
    ///
    /// let mut decoder = FrameDecoder::new(100);
    /// decoder.push(&[0; 3]);
    /// assert_eq!(decoder.finish(), Err(FrameError::Truncated { unread: 3 }));
    /// ```
    pub fn finish(&self) -> Result<(), FrameError> {
        let unread = match &self.state {
            State::Failed(error) => return Err(*error),
            State::Between => self.end - self.start,
            State::Inside(large) => FrameHeader::SIZE + large.got + self.end - self.start,
        };
        if unread == 0 { Ok(()) } else { Err(FrameError::Truncated { unread }) }
    }

    /// What has arrived of the next frame: the number of descriptors that it announces, or how many bytes if that is not known yet.
    pub(crate) fn begun(&self) -> Result<u16, usize> {
        let live = match &self.state {
            State::Inside(large) => return Ok(large.header.descriptors()),
            _ => &self.buffer[self.start..self.end],
        };
        let header = live.first_chunk().and_then(|header| FrameHeader::decode(*header).ok());
        header.map(FrameHeader::descriptors).ok_or(live.len())
    }

    fn space_for(&mut self, wanted: usize) -> &mut [u8] {
        if !matches!(&self.state, State::Inside(large) if !large.is_complete()) {
            self.make_room(wanted);
        }
        match &mut self.state {
            State::Inside(large) if !large.is_complete() => large.space(wanted),
            _ => &mut self.buffer[self.end..],
        }
    }

    /// Cuts the next frame out of the buffer, or begins a large one.
    fn cut(&mut self) -> Result<Option<Frame>, FrameError> {
        let live = &self.buffer[self.start..self.end];
        let Some((header, rest)) = live.split_first_chunk() else { return Ok(None) };
        let header = FrameHeader::decode(*header)?;
        let len = header.payload_len();
        // Before any memory is taken: the length is only what the peer says.
        if len > self.limit {
            return Err(FrameError::TooLarge { len, limit: self.limit });
        }
        if let Some(payload) = rest.get(..len) {
            let frame = Frame { payload: payload.to_vec(), descriptors: header.descriptors() };
            self.consume(FrameHeader::SIZE + len);
            return Ok(Some(frame));
        }
        if len > LARGE {
            // A large payload gets memory of its own, and the reader fills it directly: by way of the buffer each byte would be
            // copied twice, and the buffer would stay as large as the largest frame.
            self.state = State::Inside(Large { header, payload: rest.to_vec(), got: rest.len() });
            self.consume(self.end - self.start);
        }
        Ok(None)
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Frees at least `wanted` bytes behind the live ones. Moving them costs no more than reading what made room for
    /// them did.
    fn make_room(&mut self, wanted: usize) {
        if self.buffer.len() - self.end >= wanted {
            return;
        }
        let live = self.end - self.start;
        if live <= self.start {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, live);
        }
        if self.buffer.len() - self.end < wanted {
            // Doubled, so that a long frame is not copied anew for each piece that arrives.
            let grown = self.buffer.len().saturating_mul(2).max(self.end.saturating_add(wanted));
            self.buffer.resize(grown, 0);
        }
    }

    #[cold]
    fn fail(&mut self, error: FrameError) {
        // The buffer goes with it: of this stream nothing more is decoded.
        *self = Self { state: State::Failed(error), ..Self::new(self.limit) };
    }
}

impl Large {
    fn missing(&self) -> usize {
        self.header.payload_len() - self.got
    }

    fn is_complete(&self) -> bool {
        self.missing() == 0
    }

    fn has_room(&self) -> bool {
        self.got < self.payload.len()
    }

    /// The free part of the payload. It grows by what has arrived already, so that memory follows bytes and not
    /// promises.
    fn space(&mut self, wanted: usize) -> &mut [u8] {
        if !self.has_room() {
            let more = self.got.max(LARGE).max(wanted).min(self.missing());
            self.payload.resize(self.got + more, 0);
        }
        &mut self.payload[self.got..]
    }

    fn take(&mut self) -> Frame {
        Frame { payload: mem::take(&mut self.payload), descriptors: self.header.descriptors() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promised_length_takes_no_memory_before_its_bytes_arrive() {
        let mut decoder = FrameDecoder::new(usize::MAX);
        decoder.push(&FrameHeader::new(u32::MAX as usize, 0).unwrap().encode());
        assert_eq!(decoder.next(), Ok(None));
        assert!(decoder.space().len() <= LARGE);
        let State::Inside(large) = &decoder.state else { panic!("a large frame has begun") };
        assert!(large.payload.capacity() <= 2 * LARGE);
    }

    #[test]
    fn many_small_frames_do_not_grow_the_buffer() {
        let mut frame = FrameHeader::new(100, 0).unwrap().encode().to_vec();
        frame.extend([7; 100]);
        let mut decoder = FrameDecoder::new(100);
        for _ in 0..10_000 {
            decoder.push(&frame[..50]);
            assert_eq!(decoder.next(), Ok(None));
            decoder.push(&frame[50..]);
            assert!(matches!(decoder.next(), Ok(Some(frame)) if frame.payload == [7; 100]));
        }
        assert!(decoder.buffer.len() < 1000);
    }

    #[test]
    fn bytes_after_an_error_are_thrown_away() {
        let mut decoder = FrameDecoder::new(100);
        decoder.push(&[1; 8]);
        assert_eq!(decoder.next(), Err(FrameError::BadHeader));
        decoder.push(&[1; 100_000]);
        assert!(!decoder.space().is_empty());
        decoder.filled(1);
        assert_eq!((decoder.end, decoder.next()), (0, Err(FrameError::BadHeader)));
    }
}
