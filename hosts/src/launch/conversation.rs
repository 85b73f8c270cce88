//! What the driver says to a host until a link stands: staging, the invitation, and the way back.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use procession_core::SealedControl;

use crate::launch::launcher_process::LauncherProcess;
use crate::link::addresses;
use crate::link::cancel::Cancel;
use crate::link::door::Door;
use crate::link::invitation::Invitation;
use crate::link::key::Key;
use crate::stage::executable::Content;
use crate::stage::script::{HEAD, HERE, NEEDED, STREAMS};

/// The two ends of a launch that is under way.
pub(crate) struct Conversation<'launch> {
    pub(crate) process: &'launch mut LauncherProcess,
    pub(crate) key: Key,
    pub(crate) cancel: &'launch Cancel,
    pub(crate) deadline: Instant,
}

impl Conversation<'_> {
    /// Waits until the host has the executable, which it gets where it asks for it.
    ///
    /// # Errors
    ///
    /// Why the launcher or the shell on the host has failed.
    pub(crate) fn stage(&mut self, content: Option<Content>) -> Result<(), String> {
        let mut content = content;
        loop {
            match (self.word()?.as_str(), content.take()) {
                (HERE, _) => return Ok(()),
                (NEEDED, Some(Content { file, .. })) => self.process.write(file, self.deadline)?,
                (other, _) => return Err(format!("the host says `{other}`, which is not expected")),
            }
        }
    }

    /// Invites the agent, and waits for its link: to a port of this host, or through the launcher if `door` is `None` or not reached.
    ///
    /// # Errors
    ///
    /// Why there is no link.
    pub(crate) fn invite(&mut self, host: &str, door: Option<Door>) -> Result<SealedControl, String> {
        let addresses =
            door.as_ref().map_or(Ok(Vec::new()), |door| reachable(host, door)).map_err(|error| error.to_string())?;
        let invitation = Invitation { key: self.key.clone(), addresses };
        self.process.write(invitation.to_line().as_bytes(), self.deadline)?;
        let Some(mut door) = door else {
            self.expect_streams()?;
            return self.through_launcher();
        };
        loop {
            if let Some(link) = door.next(Instant::now()).map_err(|error| error.to_string())? {
                return Ok(link);
            }
            let mut waited = vec![self.process.pollable()];
            waited.extend(door.pollables());
            let until = door.deadline().map_or(self.deadline, |at| at.min(self.deadline));
            let speaks = match self.cancel.poll(&waited, Some(until)) {
                Ok(ready) => ready[0],
                Err(error) if error.kind() == io::ErrorKind::TimedOut => Instant::now() >= self.deadline,
                Err(error) => return Err(error.to_string()),
            };
            // An agent that could not reach the door says so; a launcher that has ended, or the deadline, shows in the same place.
            if speaks {
                self.expect_streams()?;
                return self.through_launcher();
            }
        }
    }

    fn expect_streams(&mut self) -> Result<(), String> {
        match self.word()?.as_str() {
            STREAMS => Ok(()),
            other => Err(format!("the agent says `{other}`, which is not expected")),
        }
    }

    fn through_launcher(&mut self) -> Result<SealedControl, String> {
        let (reader, writer) =
            self.process.streams().map_err(|error| format!("cannot use the launcher's streams: {error}"))?;
        let link = SealedControl::respond(reader, writer, self.key.bytes(), Some(self.deadline));
        link.map_err(|error| error.to_string())
    }

    /// Reads lines up to one that was meant for the driver. A login shell may greet before it.
    fn word(&mut self) -> Result<String, String> {
        loop {
            let line = self.process.read_line(self.deadline)?;
            if let Some(word) = line.strip_prefix(HEAD) {
                return Ok(word.trim().to_owned());
            }
        }
    }
}

/// Opens a door on a free port of all of this host's addresses.
pub(crate) fn open_door(key: Key) -> io::Result<Door> {
    // The first takes both kinds of addresses; it fails where there is no IPv6.
    Door::open(&[(Ipv6Addr::UNSPECIFIED, 0).into(), (Ipv4Addr::UNSPECIFIED, 0).into()], key)
}

fn reachable(host: &str, door: &Door) -> io::Result<Vec<SocketAddr>> {
    let here = door.address()?;
    let addresses = addresses::for_host(host).into_iter().filter(|address| here.is_ipv6() || address.is_ipv4());
    Ok(addresses.map(|address| SocketAddr::new(address, here.port())).collect())
}
