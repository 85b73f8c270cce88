//! [`Listening`]: agents that come by themselves, as from containers.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use procession_core::SealedControl;
use procession_core::os::mutex;
use procession_pool::hosts::{HostLauncher, LaunchedAgent};

use crate::link::cancel::Cancel;
use crate::link::door::Door;

/// A place for one agent that comes.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) name: String,
    /// One door for all places: the launch that has it waits for the next agent, the others for the door.
    pub(crate) door: Arc<Mutex<Door>>,
    pub(crate) cancel: Cancel,
}

impl HostLauncher for Listening {
    fn name(&self) -> &str {
        &self.name
    }

    fn workers(&self) -> Option<usize> {
        None
    }

    fn launch(&mut self) -> Result<LaunchedAgent, String> {
        let link = next(&mut mutex::lock(&self.door), &self.cancel)?;
        Ok(LaunchedAgent::new(link, Box::new(())))
    }
}

/// Waits for an agent as long as the pool lives.
fn next(door: &mut Door, cancel: &Cancel) -> Result<SealedControl, String> {
    loop {
        match door.next(Instant::now()) {
            Ok(Some(link)) => return Ok(link),
            Ok(None) => {}
            // It knows the key, and is of no use to this program. Others may come.
            Err(error) => eprintln!("procession: an agent was refused: {error}"),
        }
        match cancel.poll(&door.pollables().collect::<Vec<_>>(), door.deadline()) {
            Err(error) if error.kind() != std::io::ErrorKind::TimedOut => return Err(error.to_string()),
            _ => {}
        }
    }
}
