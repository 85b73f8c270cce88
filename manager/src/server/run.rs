//! The life of the server's process.

use std::io;

use procession_core::Control;
use procession_core::os::limits;

use super::in_process;
use super::instance::Server;
use crate::wire::ids::ManagerId;

/// Serves until a client asks for the end. The owner of the manager is the first client, over `control`.
pub(crate) fn run(control: Control, manager: ManagerId) -> Result<(), String> {
    procession_process::ignore_interrupt();
    limits::raise_descriptors();
    start(control, manager).map_err(|error| limits::explain(&error).unwrap_or_else(|| error.to_string()))
}

fn start(control: Control, manager: ManagerId) -> io::Result<()> {
    let server = Server::new(manager, in_process::deliver)?;
    server.lock().add_client(control)?;
    in_process::register(&server);
    server.start_threads()?;
    server.wait_for_end();
    Ok(())
}
