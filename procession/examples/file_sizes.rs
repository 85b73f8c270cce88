//! The sizes of all files under a directory, largest first, looked up in a pool.
//!
//! ```text
//! cargo run --release --example file_sizes -- [DIR]
//! ```

use std::cmp::Reverse;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use procession::Pool;

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let directory = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());
    let pool = Pool::new(procession::process::cpu_count())?;
    let files = walk(Path::new(&directory))?;
    // A path in a message must be UTF-8, which serde asks for. An `OsString` may be any bytes, as file names may.
    let sizes = pool.map_async(size, files.iter().map(|path| path.clone().into_os_string()));
    eprintln!("{} files", files.len());
    let sizes = sizes.get()?;
    let mut list: Vec<_> = files.iter().zip(sizes).collect();
    list.sort_by_key(|(path, size)| (Reverse(size.clone().unwrap_or(0)), *path));
    for (path, size) in list {
        match size {
            Ok(size) => println!("{size:>12} {}", path.display()),
            Err(error) => eprintln!("{}: {error}", path.display()),
        }
    }
    Ok(())
}

/// The task: runs in a worker.
fn size(path: OsString) -> Result<u64, String> {
    fs::symlink_metadata(path).map(|found| found.len()).map_err(|error| error.to_string())
}

/// All regular files under a directory.
fn walk(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut files, mut directories) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}
