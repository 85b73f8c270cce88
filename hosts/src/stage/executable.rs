//! [`Executable`]: where a host finds the program.

use std::fs::File;
use std::path::PathBuf;
use std::{env, io};

use procession_core::ContentHash;

/// Where a host finds this program's executable. For [`Hosts::executable`](crate::Hosts::executable).
///
/// In both cases the agent compares the content with the driver's before anything else, and is refused where it differs.
///
/// ```
/// use procession_hosts::{Executable, Hosts};
///
/// let hosts = Hosts::ssh(["node1", "node2"]).executable(Executable::Same);
/// # drop(hosts);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Executable {
    /// It is copied there once, through the launcher: to `$XDG_CACHE_HOME/procession`, else `~/.cache/procession`, under the hash of its
    /// content. Copies that were not used for 30 days are removed there. This is the default.
    #[default]
    Stage,
    /// It lies at the same path as here, on a shared file system or in an image.
    Same,
    /// It lies at this path.
    At(PathBuf),
}

/// The content of this program's executable, also where its file was replaced or removed.
pub(crate) struct Content {
    pub(crate) file: File,
    pub(crate) bytes: u64,
    pub(crate) hash: String,
}

impl Content {
    /// Opens it and computes its hash, the latter once in a process.
    pub(crate) fn open() -> io::Result<Content> {
        let file = File::open("/proc/self/exe")?;
        let bytes = file.metadata()?.len();
        Ok(Content { file, bytes, hash: ContentHash::own()?.to_string() })
    }
}

/// The path of this program's executable.
///
/// # Errors
///
/// The file is not there any more, or its path is not UTF-8.
pub(crate) fn own_path() -> io::Result<String> {
    let path = env::current_exe()?;
    let text = path.to_str().filter(|_| path.exists());
    text.map(str::to_owned).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("{} is not there under this name", path.display()))
    })
}
