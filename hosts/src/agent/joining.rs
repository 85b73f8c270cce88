//! An agent that comes by itself.

use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Instant;

use procession_core::SealedControl;

use crate::link::key_file;
use crate::tuning::{HANDSHAKE_TIMEOUT, JOIN_PAUSE, JOIN_TIMEOUT};

/// Connects to the driver, which may start later than this.
///
/// # Errors
///
/// A text for the standard error.
pub(crate) fn link(address: &str, key_path: &Path) -> Result<SealedControl, String> {
    let key = key_file::read(key_path)
        .map_err(|error| format!("cannot read the key file {}: {error}", key_path.display()))?;
    let until = Instant::now() + JOIN_TIMEOUT;
    loop {
        let error = match TcpStream::connect(address) {
            Ok(socket) => {
                let ends = socket.set_nodelay(true).and_then(|()| socket.try_clone());
                let reader = ends.map_err(|error| format!("cannot use the connection to {address}: {error}"))?;
                let deadline = Some(Instant::now() + HANDSHAKE_TIMEOUT);
                let link = SealedControl::initiate(reader.into(), socket.into(), key.bytes(), deadline);
                return link.map_err(|error| format!("cannot join {address}: {error}"));
            }
            Err(error) => error,
        };
        if Instant::now() + JOIN_PAUSE > until {
            return Err(format!("cannot reach {address}: {error}"));
        }
        thread::sleep(JOIN_PAUSE);
    }
}
