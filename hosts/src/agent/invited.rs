//! An agent that a launcher has started: its invitation, and its way to the driver.

use std::io::{self, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use procession_core::os::poll::{Pollable, poll};
use procession_core::os::stdio;
use procession_core::{LinkError, SealError, SealedControl};

use crate::link::connect::connect;
use crate::link::invitation::{Invitation, MAX_LINE_BYTES};
use crate::link::line;
use crate::stage::script::{HEAD, STREAMS};
use crate::tuning::{HANDSHAKE_TIMEOUT, INVITATION_TIMEOUT, REACH_TIMEOUT};

/// The streams that the launcher gave to this process. Its workers must neither read them nor write to them.
pub(crate) struct Streams {
    input: OwnedFd,
    output: OwnedFd,
}

impl Streams {
    /// Takes the standard input and output. From now on, the workers' output goes where their errors go.
    pub(crate) fn take() -> io::Result<Streams> {
        let streams = Streams {
            input: io::stdin().as_fd().try_clone_to_owned()?,
            output: io::stdout().as_fd().try_clone_to_owned()?,
        };
        let error = io::stderr().as_fd().try_clone_to_owned()?;
        stdio::install([None, Some(error.try_clone()?), Some(error)])?;
        Ok(streams)
    }
}

/// Reads the invitation and comes to the driver.
///
/// # Errors
///
/// A text for the standard error, which the driver shows.
pub(crate) fn link(streams: Streams) -> Result<SealedControl, String> {
    let invitation = read(&streams.input)?;
    for socket in connect(&invitation.addresses, REACH_TIMEOUT) {
        match handshake(socket, &invitation) {
            Ok(link) => return Ok(link),
            // The driver has shown that it knows the key, so another way leads to the same refusal.
            Err(error @ (SealError::Executable { .. } | SealError::Version { .. })) => return Err(error.to_string()),
            // Another program listens at that address of this host's own network.
            Err(_) => {}
        }
    }
    through(streams, &invitation)
}

fn read(input: &OwnedFd) -> Result<Invitation, String> {
    let deadline = Instant::now() + INVITATION_TIMEOUT;
    let text = |error: io::Error| format!("cannot read the invitation: {error}");
    let mut file = std::fs::File::from(input.try_clone().map_err(text)?);
    // The driver writes the line at once and in one piece, so its beginning is waited for alone.
    if !poll(&[Pollable::readable(input.as_fd())], Some(deadline)).map_err(text)?[0] {
        return Err("no invitation has come in time".to_owned());
    }
    let line = line::read(&mut file, MAX_LINE_BYTES).map_err(text)?;
    Invitation::parse(&line.ok_or("the driver has gone before its invitation came")?)
}

fn handshake(socket: TcpStream, invitation: &Invitation) -> Result<SealedControl, SealError> {
    let reader = socket.try_clone().map_err(|error| SealError::Link(LinkError::Io(error)))?;
    SealedControl::initiate(
        reader.into(),
        socket.into(),
        invitation.key.bytes(),
        Some(Instant::now() + HANDSHAKE_TIMEOUT),
    )
}

/// Talks through the launcher, as the driver cannot be reached directly.
fn through(streams: Streams, invitation: &Invitation) -> Result<SealedControl, String> {
    let Streams { input, output } = streams;
    let text = |error: io::Error| format!("cannot write to the launcher: {error}");
    let mut file = std::fs::File::from(output.try_clone().map_err(text)?);
    file.write_all(format!("{HEAD} {STREAMS}\n").as_bytes()).map_err(text)?;
    let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
    SealedControl::initiate(input, output, invitation.key.bytes(), Some(deadline)).map_err(|error| error.to_string())
}
