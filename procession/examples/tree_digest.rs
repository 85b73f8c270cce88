//! SHA-256 of every regular file under a directory, computed in worker processes: `find DIR -type f` and `sha256sum` in one.
//!
//! ```text
//! cargo run --release --example tree_digest -- DIR [--workers N]
//! cargo run --release --features hosts --example tree_digest -- DIR --hosts node1,node2:16
//! ```
//!
//! With hosts the directory must be there under the same name, as on a shared file system.
//!
//! On stdout come exactly the lines that `sha256sum` prints, sorted bytewise by path. What cannot be read is told on stderr and does
//! not stop the rest; the exit code is 1 then. Symbolic links are not followed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use procession::Pool;
use procession::pool::{PoolBuilder, TaskError};
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};

const USAGE: &str = "usage: tree_digest [DIR] [--workers N] [--hosts HOST[:N],...]\n\n\
    Prints the SHA-256 of every regular file under DIR (without it: under the current directory), sorted by path,\n\
    in the format of sha256sum.";

/// How much of a file is in memory at once.
const BUFFER: usize = 64 * 1024;

/// A path as the system sees it: any bytes. (serde's own paths must be UTF-8.)
type Path = Vec<u8>;

/// What a worker answers: the file's number, and its digest or what is wrong with it.
type Answer = (usize, Result<[u8; 32], String>);

fn main() -> ExitCode {
    procession::init();
    let arguments = match Arguments::parse() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tree_digest: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut reports = Reports::default();
    let (mut paths, unwalked) = walk(arguments.directory);
    unwalked.iter().for_each(|(path, error)| reports.add(path, error));
    paths.sort_unstable();
    let builder = arguments.workers.into_iter().fold(Pool::builder(), |builder, count| builder.workers(count));
    let pool = match &arguments.hosts {
        Some(list) => on_hosts(builder, list),
        None => builder.build().map_err(|error| error.to_string()),
    };
    let pool = match pool {
        Ok(pool) => pool,
        Err(error) => {
            eprintln!("tree_digest: {error}");
            return ExitCode::FAILURE;
        }
    };
    let digests = digest_all(&pool, &paths, arguments.abort_on, &mut reports);
    match print(&paths, &digests) {
        Ok(()) => {}
        // Whoever was reading has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::FAILURE,
        Err(error) => reports.add(b"standard output", &error),
    }
    if reports.count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was asked for.
struct Arguments {
    directory: Path,
    workers: Option<usize>,
    /// Between commas.
    hosts: Option<String>,
    /// For tests: the worker that comes to this path aborts.
    abort_on: Option<Path>,
}

impl Arguments {
    /// `None` when only help was asked for.
    fn parse() -> Result<Option<Arguments>, lexopt::Error> {
        use lexopt::prelude::{Long, Short, Value, ValueExt};
        let mut arguments = Arguments { directory: b".".to_vec(), workers: None, hosts: None, abort_on: None };
        let mut parser = lexopt::Parser::from_env();
        let mut has_directory = false;
        while let Some(argument) = parser.next()? {
            match argument {
                Long("workers") => arguments.workers = Some(parser.value()?.parse()?),
                Long("hosts") => arguments.hosts = Some(parser.value()?.string()?),
                Long("abort-on") => arguments.abort_on = Some(parser.value()?.into_vec()),
                Long("help") | Short('h') => {
                    println!("{USAGE}");
                    return Ok(None);
                }
                Value(directory) if !has_directory => {
                    has_directory = true;
                    arguments.directory = directory.into_vec();
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(arguments))
    }
}

/// Every regular file under a path, the path itself included, and what could not be looked at.
///
/// The paths begin with the given one, as `find` prints them.
fn walk(root: Path) -> (Vec<Path>, Vec<(Path, io::Error)>) {
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    let mut directories = Vec::new();
    match fs::symlink_metadata(OsStr::from_bytes(&root)) {
        Ok(found) if found.is_file() => files.push(root),
        Ok(found) if found.is_dir() => directories.push(root),
        Ok(_) => {}
        Err(error) => errors.push((root, error)),
    }
    while let Some(directory) = directories.pop() {
        if let Err(error) = list(&directory, &mut files, &mut directories, &mut errors) {
            errors.push((directory, error));
        }
    }
    (files, errors)
}

/// Looks into one directory.
fn list(
    directory: &[u8],
    files: &mut Vec<Path>,
    directories: &mut Vec<Path>,
    errors: &mut Vec<(Path, io::Error)>,
) -> io::Result<()> {
    for entry in fs::read_dir(OsStr::from_bytes(directory))? {
        let entry = entry?;
        let path = join(directory, entry.file_name().as_bytes());
        match entry.file_type() {
            Ok(found) if found.is_file() => files.push(path),
            Ok(found) if found.is_dir() => directories.push(path),
            Ok(_) => {}
            Err(error) => errors.push((path, error)),
        }
    }
    Ok(())
}

fn join(directory: &[u8], name: &[u8]) -> Path {
    let separator: &[u8] = if directory.ends_with(b"/") { b"" } else { b"/" };
    [directory, separator, name].concat()
}

/// A pool whose workers are on other machines.
#[cfg(feature = "hosts")]
fn on_hosts(builder: PoolBuilder, list: &str) -> Result<Pool, String> {
    builder.hosts(procession::hosts::Hosts::ssh(list.split(','))).build().map_err(|error| error.to_string())
}

#[cfg(not(feature = "hosts"))]
fn on_hosts(_: PoolBuilder, _: &str) -> Result<Pool, String> {
    Err("it was built without hosts: build it with `--features hosts`".to_owned())
}

/// The digests of all files, `None` for those that were reported.
fn digest_all(pool: &Pool, paths: &[Path], abort_on: Option<Path>, reports: &mut Reports) -> Vec<Option<[u8; 32]>> {
    let mut digests = vec![None; paths.len()];
    let tasks = paths.iter().enumerate().map(|(number, path)| {
        let aborts = abort_on.as_ref() == Some(path);
        (number, ByteBuf::from(path.clone()), aborts)
    });
    let bar = progress_bar(paths.len());
    for answer in bar.wrap_iter(pool.imap_unordered(digest, tasks)) {
        match answer {
            Ok((number, Ok(digest))) => digests[number] = Some(digest),
            Ok((number, Err(error))) => bar.suspend(|| reports.add(&paths[number], &error)),
            Err(error) => bar.suspend(|| reports.add(path_of(&error, paths), &error)),
        }
    }
    bar.finish_and_clear();
    digests
}

/// The path whose task has failed.
fn path_of<'a>(error: &TaskError, paths: &'a [Path]) -> &'a [u8] {
    usize::try_from(error.index()).ok().and_then(|number| paths.get(number)).map_or(b"?", Vec::as_slice)
}

/// The task: runs in a worker.
fn digest((number, path, aborts): (usize, ByteBuf, bool)) -> Answer {
    if aborts {
        std::process::abort();
    }
    (number, digest_file(OsStr::from_bytes(&path)).map_err(|error| error.to_string()))
}

fn digest_file(path: &OsStr) -> io::Result<[u8; 32]> {
    // What was a file may have become a pipe by now, and to open that would take for ever.
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file any more"));
    }
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = [0; BUFFER];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A bar on stderr, if that is a terminal.
fn progress_bar(length: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} files, {per_sec}, {eta} left");
    let bar = ProgressBar::new(length as u64);
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

fn print(paths: &[Path], digests: &[Option<[u8; 32]>]) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for (path, digest) in paths.iter().zip(digests) {
        if let Some(digest) = digest {
            write_line(&mut out, path, digest)?;
        }
    }
    out.flush()
}

/// A line as `sha256sum` writes it: where the name has to be escaped, the line begins with a backslash.
fn write_line(out: &mut impl Write, path: &[u8], digest: &[u8; 32]) -> io::Result<()> {
    let name = escape(path);
    if name.len() != path.len() {
        out.write_all(b"\\")?;
    }
    for byte in digest {
        write!(out, "{byte:02x}")?;
    }
    out.write_all(b"  ")?;
    out.write_all(&name)?;
    out.write_all(b"\n")
}

fn escape(path: &[u8]) -> Path {
    let mut escaped = Vec::with_capacity(path.len());
    for byte in path {
        match byte {
            b'\\' => escaped.extend(b"\\\\"),
            b'\n' => escaped.extend(b"\\n"),
            b'\r' => escaped.extend(b"\\r"),
            other => escaped.push(*other),
        }
    }
    escaped
}

/// What went wrong, on stderr, a line each.
#[derive(Default)]
struct Reports {
    count: u64,
}

impl Reports {
    fn add(&mut self, path: &[u8], error: &dyn std::fmt::Display) {
        self.count += 1;
        let text = error.to_string().replace('\n', " ");
        let line = [b"tree_digest: ", &*escape(path), b": ", text.as_bytes(), b"\n"].concat();
        // Without a stderr there is nobody to tell; the exit code says it too.
        let _nobody_reads = io::stderr().write_all(&line);
    }
}
