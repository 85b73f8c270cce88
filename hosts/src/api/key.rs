//! The key file of agents that come by themselves, as a program makes it.

use std::path::Path;

use crate::api::error::HostsError;
use crate::link::key_file;

/// Writes a new key for [`Hosts::listen`](crate::Hosts::listen) into a file that only its owner may open. The file must not exist yet.
///
/// Each holder of the key can run code as the user of each agent and of the driver: copy it as you would a private key of ssh.
///
/// # Errors
///
/// [`HostsError::KeyFile`]: the file exists, or cannot be written.
///
/// ```
/// use procession_hosts::create_key_file;
///
/// let path = std::env::temp_dir().join(format!("procession-key-{}", std::process::id()));
/// create_key_file(&path)?;
/// assert!(create_key_file(&path).is_err(), "a key is not overwritten");
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn create_key_file(path: impl AsRef<Path>) -> Result<(), HostsError> {
    let path = path.as_ref();
    let created = key_file::create(path);
    created.map(drop).map_err(|source| HostsError::KeyFile { path: path.to_owned(), source })
}
