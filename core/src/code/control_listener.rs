//! [`ControlListener`] and [`ControlTicket`]: how a process that has received a ticket in a message comes to have a [`Control`] link to the process that
//! made the ticket.
//!
//! A ticket is an open socket, and rides inside any message. A process that holds one can enter, several times and from several
//! processes; the listener sees when the last copy is gone, also when it was in a message that was never read. A ticket shows its
//! descriptor to the codec only, and a listener lets in only processes that run the same [`Image`].

use std::io;
use std::os::fd::OwnedFd;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::codec::{Kind, fd};
use crate::bytes::link::TryRecv;
use crate::bytes::link_error::LinkError;
use crate::code::control::Control;
use crate::code::image::Image;
use crate::os::poll::Pollable;

/// What a ticket is in a message: it comes out as a ticket and as nothing else, so that only [`ControlTicket::connect`] writes to its socket.
const KIND: Kind = Kind::own(*b"ticket  ");

/// Where holders of a [`ControlTicket`] come in.
///
/// ```
/// use procession_core::{ControlListener, TryRecv};
///
/// let (mut listener, ticket) = ControlListener::new()?;
/// let mut there = ticket.connect()?;
/// let TryRecv::Value(mut here) = listener.try_accept()? else { panic!("no process connected") };
/// there.send("hello")?;
/// assert_eq!(here.recv::<String>(None)?.as_deref(), Some("hello"));
/// drop(ticket);
/// assert!(matches!(listener.try_accept()?, TryRecv::End));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ControlListener(Control);

/// What opens a [`ControlListener`].
///
/// ```
/// use procession_core::{ControlListener, ControlTicket, TryRecv, codec};
///
/// let (mut listener, ticket) = ControlListener::new()?;
/// let message = codec::encode(&("come in", ticket))?; // as it would cross to another process
/// let (_, ticket): (String, ControlTicket) = codec::decode(message)?;
/// let _link = ticket.connect()?;
/// assert!(matches!(listener.try_accept()?, TryRecv::Value(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ControlTicket(OwnedFd);

impl ControlListener {
    /// Makes a listener and its first ticket.
    ///
    /// # Errors
    ///
    /// The limit on descriptors.
    ///
    /// ```
    /// use procession_core::{ControlListener, TryRecv};
    ///
    /// let (mut listener, ticket) = ControlListener::new()?;
    /// assert!(matches!(listener.try_accept()?, TryRecv::Empty), "none yet");
    /// drop(ticket);
    /// assert!(matches!(listener.try_accept()?, TryRecv::End), "none ever");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> io::Result<(ControlListener, ControlTicket)> {
        let (here, there) = Control::pair()?;
        Ok((ControlListener(here), ControlTicket(there.into_socket())))
    }

    /// The next process that has entered, without waiting.
    ///
    /// A listener believes its tickets, because a ticket never gives its socket away. [`TryRecv::End`] means that no ticket is left anywhere.
    ///
    /// # Errors
    ///
    /// A process that runs another program has connected, or something else was sent. The listener is of no use any more.
    ///
    /// ```
    /// use procession_core::{ControlListener, TryRecv};
    ///
    /// let (mut listener, ticket) = ControlListener::new()?;
    /// let _clients = [ticket.connect()?, ticket.connect()?];
    /// let mut entered = Vec::new();
    /// while let TryRecv::Value(control) = listener.try_accept()? {
    ///     entered.push(control);
    /// }
    /// assert_eq!(entered.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_accept(&mut self) -> Result<TryRecv<Control>, LinkError> {
        Ok(match self.0.try_recv::<(Image, Control)>()? {
            // An image that differs is refused before the link is used: over it functions would be named by other places.
            TryRecv::Value((image, _)) if image != *Image::own() => {
                return Err(LinkError::Garbled("it runs another program than this one".to_owned()));
            }
            TryRecv::Value((_, control)) => TryRecv::Value(control),
            TryRecv::Empty => TryRecv::Empty,
            TryRecv::End => TryRecv::End,
        })
    }

    /// Ready when a process has connected, or when no ticket is left.
    ///
    /// ```
    /// use procession_core::{ControlListener, os::poll::poll};
    ///
    /// let (listener, ticket) = ControlListener::new()?;
    /// let _client = ticket.connect()?;
    /// assert_eq!(poll(&[listener.pollable()], None)?, [true]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn pollable(&self) -> Pollable<'_> {
        self.0.pollable()
    }
}

/// A listener may be handed on along a control link, like an end of such a link.
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
    /// Connects: makes a link, and passes one end of it through the listener. It does not wait for the other side.
    ///
    /// # Errors
    ///
    /// The listener is gone, or the limit on descriptors.
    ///
    /// ```
    /// use procession_core::{ControlListener, LinkError};
    ///
    /// let (listener, ticket) = ControlListener::new()?;
    /// let _link = ticket.connect()?; // the listener may accept later
    /// drop(listener);
    /// assert!(matches!(ticket.connect(), Err(LinkError::Disconnected)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(&self) -> Result<Control, LinkError> {
        let (here, there) = Control::pair().map_err(LinkError::Io)?;
        // A duplicate, since a ticket can be used several times; the listener sees the end when the last copy is gone.
        let mut listener = Control::from_socket(self.0.try_clone().map_err(LinkError::Io)?);
        listener.send(&(Image::own(), there))?;
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
    fn a_ticket_rides_in_any_message_and_opens_more_than_once() {
        let (mut listener, ticket) = ControlListener::new().unwrap();
        let message = codec::encode(&ticket).unwrap();
        drop(ticket);
        assert!(matches!(listener.try_accept().unwrap(), TryRecv::Empty), "the message holds a copy");
        let ticket: ControlTicket = codec::decode(message).unwrap();
        let _links = [ticket.connect().unwrap(), ticket.connect().unwrap()];
        drop(ticket);
        assert!(matches!(listener.try_accept().unwrap(), TryRecv::Value(_)));
        assert!(matches!(listener.try_accept().unwrap(), TryRecv::Value(_)));
        assert!(matches!(listener.try_accept().unwrap(), TryRecv::End));
    }

    #[test]
    fn a_ticket_never_gives_its_socket_away() {
        use crate::bytes::codec::Descriptor;
        let (mut listener, ticket) = ControlListener::new().unwrap();
        assert!(
            codec::decode::<Descriptor>(codec::encode(&ticket).unwrap()).unwrap_err().to_string().contains("`ticket`")
        );
        assert!(
            codec::decode::<ControlTicket>(codec::encode(&Descriptor::from(ticket.0.try_clone().unwrap())).unwrap())
                .is_err()
        );
        // Nor inside a message inside of a message.
        let inner = codec::encode(&codec::encode(&ticket).unwrap()).unwrap();
        let inner: codec::Message = codec::decode(inner).unwrap();
        assert!(codec::decode::<Descriptor>(inner).is_err());
        assert!(matches!(listener.try_accept().unwrap(), TryRecv::Empty));
    }

    #[test]
    fn another_program_does_not_come_in() {
        let (mut listener, ticket) = ControlListener::new().unwrap();
        let mut stranger = Link::over(ticket.0.try_clone().unwrap());
        stranger.send(codec::encode(&(7_u8, "let me in")).unwrap()).unwrap();
        assert!(listener.try_accept().is_err());
    }
}
