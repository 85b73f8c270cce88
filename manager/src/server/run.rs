//! The life of the server's process.

use std::io;

use procession_core::Control;
use procession_core::os::limits;

use super::in_process;
use super::instance::Server;
use crate::wire::ids::ManagerId;

/// Serves until a client asks for the end. The owner of the manager is the first client, over `control`.
pub(crate) fn run(control: Control, manager: ManagerId) -> Result<(), String> {
    // Ctrl-C reaches all processes of the terminal. The owner decides when its manager ends.
    procession_process::ignore_interrupt();
    limits::raise_descriptors();
    start(control, manager).map_err(|error| limits::explain(&error).unwrap_or_else(|| error.to_string()))
}

/// Starts the threads, and returns when a client has asked for the end.
fn start(control: Control, manager: ManagerId) -> io::Result<()> {
    let server = Server::new(manager, in_process::deliver)?;
    // The owner is the first client, so that there is always one that can ask for the end.
    server.lock().add_client(control)?;
    // Before the threads: a method that they run may be given a proxy of this very manager.
    in_process::register(&server);
    server.start_threads()?;
    server.wait_for_end();
    Ok(())
}
