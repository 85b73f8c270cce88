//! Connections to managers of other programs, and the request that has a manager serve them.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use procession_core::Method;
use procession_core::codec::{self, Message};

use super::connection::Connection;
use super::limit::Limit;
use super::pending_replies::Waited;
use super::reply_reader::ReplyReader;
use super::request_sender::Transport;
use crate::wire::error::CallError;
use crate::wire::frame_reader::FrameReader;
use crate::wire::ids::ManagerId;
use crate::wire::protocol::ControlMessage;

impl Connection {
    /// Introduces this process to a manager of another program, by the registry that it has.
    pub(crate) fn introduce(
        socket: OwnedFd,
        fingerprint: u64,
        deadline: Option<Instant>,
    ) -> Result<Arc<Connection>, CallError> {
        let lost = |error: io::Error| CallError::from_io(&error);
        let frames = FrameReader::new(socket).map_err(lost)?;
        // One descriptor to read and one to write, because reader and sender are locked apart.
        let socket = frames.stream().try_clone().map_err(lost)?;
        let connection =
            Arc::new(Connection::new(ManagerId::fresh(), Transport::Remote(socket), ReplyReader::remote(frames), None));
        // Calls count from 1, so 0 is free for the reply to the greeting.
        connection.replies.expect(0, false);
        connection.sender()?.send_or_queue(&connection.replies, fingerprint.to_le_bytes().to_vec())?;
        match connection.replies.wait(0, Limit::of(deadline))? {
            Waited::Reply(Ok(_)) => Ok(connection),
            Waited::Reply(Err(failure)) => Err(CallError::from_failure(failure)),
            Waited::TimeIsUp => Err(CallError::Timeout { started: false }),
            Waited::Begun | Waited::Closed => Err(CallError::ManagerGone),
        }
    }

    /// Lets the manager listen for other programs. Returns the address.
    pub(crate) fn serve(
        self: &Arc<Connection>,
        (fingerprint, methods): (u64, Vec<(u8, Method)>),
        address: &str,
        key: &[u8],
        deadline: Option<Instant>,
    ) -> Result<String, CallError> {
        // Before the message goes out: a reply without an entry would be dropped.
        let sent = self.expect(deadline.is_some());
        let number = sent.number;
        let (address, key) = (address.to_owned(), key.to_vec());
        self.send(&ControlMessage::<&Message>::Serve { number, address, key, fingerprint, methods })?;
        Ok(codec::decode(self.wait(sent, &[], deadline)?)?)
    }
}
