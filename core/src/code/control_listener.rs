//! [`ControlListener`] and [`ControlTicket`]: how a process that was handed a key in a message comes to have a [`Control`] link to the process that
//! made the key.
//!
//! A key is an open socket, and rides inside any message. A process that holds one can enter, several times and from several
//! processes; the door sees when the last copy is gone, also when it was in a message that was never read. A key shows its
//! descriptor to the codec only, and a door lets in only processes that run the same [`Image`].

use std::io;
use std::os::fd::OwnedFd;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::codec::{Kind, fd};
use crate::bytes::link::TryRecv;
use crate::bytes::link_error::LinkError;
use crate::code::control::Control;
use crate::code::image::Image;
use crate::os::poll::Pollable;

/// What a key is in a message: it comes out as a key and as nothing else, so that only [`ControlTicket::enter`] writes to its socket.
const KIND: Kind = Kind::own(*b"key     ");

/// Where holders of a [`ControlTicket`] come in.
///
/// ```
/// use procession_core::{ControlListener, TryRecv};
///
/// let (mut door, key) = ControlListener::new()?;
/// let mut there = key.connect()?;
/// let TryRecv::Value(mut here) = door.try_accept()? else { panic!("no process entered") };
/// there.send("hello")?;
/// assert_eq!(here.recv::<String>(None)?.as_deref(), Some("hello"));
/// drop(key);
/// assert!(matches!(door.try_accept()?, TryRecv::End));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ControlListener(Control);

/// What opens a [`ControlListener`].
///
/// ```
/// use procession_core::{ControlListener, ControlTicket, TryRecv, codec};
///
/// let (mut door, key) = ControlListener::new()?;
/// let message = codec::encode(&("come in", key))?; // as it would cross to another process
/// let (_, key): (String, ControlTicket) = codec::decode(message)?;
/// let _link = key.connect()?;
/// assert!(matches!(door.try_accept()?, TryRecv::Value(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ControlTicket(OwnedFd);

impl ControlListener {
    /// Makes a door and its first key.
    ///
    /// # Errors
    ///
    /// The limit on descriptors.
    ///
    /// ```
    /// use procession_core::{ControlListener, TryRecv};
    ///
    /// let (mut door, key) = ControlListener::new()?;
    /// assert!(matches!(door.try_accept()?, TryRecv::Empty), "none yet");
    /// drop(key);
    /// assert!(matches!(door.try_accept()?, TryRecv::End), "none ever");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> io::Result<(ControlListener, ControlTicket)> {
        let (here, there) = Control::pair()?;
        Ok((ControlListener(here), ControlTicket(there.into_socket())))
    }

    /// The next process that has entered, without waiting.
    ///
    /// A door believes its keys, because a key never gives its socket away. [`TryRecv::End`] means that no key is left anywhere.
    ///
    /// # Errors
    ///
    /// Someone entered who runs another program, or has sent something else. The door is of no use any more.
    ///
    /// ```
    /// use procession_core::{ControlListener, TryRecv};
    ///
    /// let (mut door, key) = ControlListener::new()?;
    /// let _clients = [key.connect()?, key.connect()?];
    /// let mut entered = Vec::new();
    /// while let TryRecv::Value(control) = door.try_accept()? {
    ///     entered.push(control);
    /// }
    /// assert_eq!(entered.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_accept(&mut self) -> Result<TryRecv<Control>, LinkError> {
        Ok(match self.0.try_recv::<(Image, Control)>()? {
            TryRecv::Value((image, _)) if image != *Image::own() => {
                return Err(LinkError::Garbled("it runs another program than this one".to_owned()));
            }
            TryRecv::Value((_, control)) => TryRecv::Value(control),
            TryRecv::Empty => TryRecv::Empty,
            TryRecv::End => TryRecv::End,
        })
    }

    /// Ready when someone has entered, or when no key is left.
    ///
    /// ```
    /// use procession_core::{ControlListener, os::poll::poll};
    ///
    /// let (door, key) = ControlListener::new()?;
    /// let _client = key.connect()?;
    /// assert_eq!(poll(&[door.pollable()], None)?, [true]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn pollable(&self) -> Pollable<'_> {
        self.0.pollable()
    }
}

/// A door may be handed on along a control link, like an end of such a link.
impl Serialize for ControlListener {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ControlListener {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ControlListener, D::Error> {
        Control::deserialize(deserializer).map(ControlListener)
    }
}

impl ControlTicket {
    /// Enters: makes a link, and passes one end of it through the door. It does not wait for the other side.
    ///
    /// # Errors
    ///
    /// The door is gone, or the limit on descriptors.
    ///
    /// ```
    /// use procession_core::{ControlListener, LinkError};
    ///
    /// let (door, key) = ControlListener::new()?;
    /// let _link = key.connect()?; // the door may accept later
    /// drop(door);
    /// assert!(matches!(key.connect(), Err(LinkError::Disconnected)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(&self) -> Result<Control, LinkError> {
        let (here, there) = Control::pair().map_err(LinkError::Io)?;
        let mut door = Control::from_socket(self.0.try_clone().map_err(LinkError::Io)?);
        door.send(&(Image::own(), there))?;
        Ok(here)
    }
}

impl Serialize for ControlTicket {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fd::serialize_as(KIND, &self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for ControlTicket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ControlTicket, D::Error> {
        fd::deserialize_as(KIND, deserializer).map(ControlTicket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::codec;
    use crate::bytes::link::Link;

    #[test]
    fn a_key_rides_in_any_message_and_opens_more_than_once() {
        let (mut door, key) = ControlListener::new().unwrap();
        let message = codec::encode(&key).unwrap();
        drop(key);
        assert!(matches!(door.try_accept().unwrap(), TryRecv::Empty), "the message holds a copy");
        let key: ControlTicket = codec::decode(message).unwrap();
        let _links = [key.connect().unwrap(), key.connect().unwrap()];
        drop(key);
        assert!(matches!(door.try_accept().unwrap(), TryRecv::Value(_)));
        assert!(matches!(door.try_accept().unwrap(), TryRecv::Value(_)));
        assert!(matches!(door.try_accept().unwrap(), TryRecv::End));
    }

    #[test]
    fn a_key_gives_its_socket_to_nobody() {
        use crate::bytes::codec::Descriptor;
        let (mut door, key) = ControlListener::new().unwrap();
        assert!(codec::decode::<Descriptor>(codec::encode(&key).unwrap()).unwrap_err().to_string().contains("`key`"));
        assert!(
            codec::decode::<ControlTicket>(codec::encode(&Descriptor::from(key.0.try_clone().unwrap())).unwrap())
                .is_err()
        );
        // Nor inside a message inside of a message.
        let inner = codec::encode(&codec::encode(&key).unwrap()).unwrap();
        let inner: codec::Message = codec::decode(inner).unwrap();
        assert!(codec::decode::<Descriptor>(inner).is_err());
        assert!(matches!(door.try_accept().unwrap(), TryRecv::Empty));
    }

    #[test]
    fn another_program_does_not_come_in() {
        let (mut door, key) = ControlListener::new().unwrap();
        let mut stranger = Link::over(key.0.try_clone().unwrap());
        stranger.send(codec::encode(&(7_u8, "let me in")).unwrap()).unwrap();
        assert!(door.try_accept().is_err());
    }
}
