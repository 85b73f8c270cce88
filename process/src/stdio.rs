//! Where a child's standard streams lead.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::process::{ChildStderr, ChildStdin, ChildStdout};

use procession_core::os::stdio;

/// Where one of a child's standard streams leads.
///
/// ```
/// use procession_process::{Process, Stdio};
/// use std::io::Read;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # procession_process::init();
/// let child = Process::builder().stdout(Stdio::Piped).spawn(|()| println!("hello"), ())?;
/// let mut text = String::new();
/// child.take_stdout().unwrap().read_to_string(&mut text)?;
/// child.join()?;
/// assert_eq!(text, "hello\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Stdio {
    /// Where this process's own leads.
    Inherit,
    /// Nowhere: reading ends at once, writing is swallowed.
    Null,
    /// To this process, which takes the other end from the handle.
    Piped,
    /// To this file, socket or pipe.
    Descriptor(OwnedFd),
}

/// The parent's ends of the pipes.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    pub(crate) input: Option<ChildStdin>,
    pub(crate) output: Option<ChildStdout>,
    pub(crate) error: Option<ChildStderr>,
}

/// The child's ends of its three streams (`None` for those that lead nowhere), and ours of those that are piped.
pub(crate) fn open(input: Stdio, output: Stdio, error: Stdio) -> io::Result<([Option<OwnedFd>; 3], Pipes)> {
    let (input, to_child) = reading(input)?;
    let (output, from_output) = writing(output, io::stdout())?;
    let (error, from_error) = writing(error, io::stderr())?;
    let pipes = Pipes {
        input: to_child.map(|end| OwnedFd::from(end).into()),
        output: from_output.map(|end| OwnedFd::from(end).into()),
        error: from_error.map(|end| OwnedFd::from(end).into()),
    };
    Ok(([input, output, error], pipes))
}

fn reading(stream: Stdio) -> io::Result<(Option<OwnedFd>, Option<PipeWriter>)> {
    Ok(match stream {
        Stdio::Inherit => (stdio::own(io::stdin()), None),
        Stdio::Null => (None, None),
        Stdio::Descriptor(fd) => (Some(fd), None),
        Stdio::Piped => {
            let (reader, writer) = io::pipe()?;
            (Some(reader.into()), Some(writer))
        }
    })
}

fn writing(stream: Stdio, own: impl std::os::fd::AsFd) -> io::Result<(Option<OwnedFd>, Option<PipeReader>)> {
    Ok(match stream {
        Stdio::Inherit => (stdio::own(own), None),
        Stdio::Null => (None, None),
        Stdio::Descriptor(fd) => (Some(fd), None),
        Stdio::Piped => {
            let (reader, writer) = io::pipe()?;
            (Some(writer.into()), Some(reader))
        }
    })
}
