//! The standard streams of a child.
//!
//! | chosen | in the job | the parent keeps |
//! | --- | --- | --- |
//! | `Inherit` | its own stream, duplicated when the job is sent; nothing where it is closed | its own stream |
//! | `Null` | nothing: the child opens the null device | nothing |
//! | `Piped` | one end of a new pipe | the other end, in the handle |
//! | `Descriptor` | the descriptor; a duplicate where a clone of the builder has it as well | nothing of the original |
//!
//! The child puts the three in the places 0, 1 and 2 before it reports that it has started.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::Arc;

use procession_core::codec::{Descriptor, fd};
use procession_core::os::descriptors::pipe;
use procession_core::os::stdio;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The target of a standard stream of a child.
///
/// ```
/// use procession_process::{Process, Stdio};
/// use std::io::Read;
///
/// # procession_process::init();
/// let child = Process::builder().stdout(Stdio::Piped).spawn(|()| println!("hello"), ())?;
/// let mut text = String::new();
/// child.take_stdout().unwrap().read_to_string(&mut text)?;
/// child.join()?;
/// assert_eq!(text, "hello\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Stdio {
    /// The stream of this process.
    Inherit,
    /// The null device: reading ends at once, output is discarded.
    Null,
    /// A pipe, whose other end the handle has.
    Piped,
    /// This file, socket or pipe.
    Descriptor(OwnedFd),
}

/// A stream of a child in its job.
#[derive(Debug)]
pub(crate) enum Stream {
    /// No descriptor: the child opens the null device itself.
    Null,
    /// The stream of the parent, which is not duplicated before it is sent.
    Own(Standard),
    /// A descriptor of the job. In the child, every stream but the null device is one.
    Chosen(Descriptor),
}

/// One of a process's own standard streams.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Standard {
    Input,
    Output,
    Error,
}

/// Is sent as a descriptor or none.
impl Serialize for Stream {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Stream::Null => serializer.serialize_none(),
            Stream::Own(standard) => serializer.serialize_some(standard),
            Stream::Chosen(descriptor) => serializer.serialize_some(descriptor),
        }
    }
}

impl Serialize for Standard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Standard::Input => fd::serialize(&io::stdin(), serializer),
            Standard::Output => fd::serialize(&io::stdout(), serializer),
            Standard::Error => fd::serialize(&io::stderr(), serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Stream {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Stream, D::Error> {
        Ok(Option::<Descriptor>::deserialize(deserializer)?.map_or(Stream::Null, Stream::Chosen))
    }
}

impl Stream {
    /// Returns the descriptor that was received, if any.
    pub(crate) fn received(self) -> Option<OwnedFd> {
        if let Stream::Chosen(descriptor) = self { Some(descriptor.into()) } else { None }
    }
}

/// The parent's ends of the pipes.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    /// The writing end; the child reads from the other one.
    pub(crate) input: Option<ChildStdin>,
    /// The reading end of what the child writes to its stdout.
    pub(crate) output: Option<ChildStdout>,
    /// The reading end of what the child writes to its stderr.
    pub(crate) error: Option<ChildStderr>,
}

/// Returns the three streams of the child, and the parent's ends of pipes.
pub(crate) fn open([input, output, error]: [Arc<Stdio>; 3]) -> io::Result<([Stream; 3], Pipes)> {
    let (input, output, error) = (own(input)?, own(output)?, own(error)?);
    let (input, to_child) = reading(input)?;
    let (output, from_output) = writing(output, Standard::Output)?;
    let (error, from_error) = writing(error, Standard::Error)?;
    let pipes = Pipes {
        input: to_child.map(|end| OwnedFd::from(end).into()),
        output: from_output.map(|end| OwnedFd::from(end).into()),
        error: from_error.map(|end| OwnedFd::from(end).into()),
    };
    Ok(([input, output, error], pipes))
}

/// Opens the chosen stream for one process. Clones of the builder may have chosen the same.
fn own(chosen: Arc<Stdio>) -> io::Result<Stdio> {
    Arc::try_unwrap(chosen).or_else(|shared| {
        Ok(match &*shared {
            Stdio::Descriptor(descriptor) => Stdio::Descriptor(descriptor.try_clone()?),
            Stdio::Inherit => Stdio::Inherit,
            Stdio::Null => Stdio::Null,
            Stdio::Piped => Stdio::Piped,
        })
    })
}

/// Returns the stream that the child reads from, and for a pipe the end to write to.
fn reading(stream: Stdio) -> io::Result<(Stream, Option<PipeWriter>)> {
    if let Stdio::Piped = stream {
        let (reader, writer) = pipe()?;
        return Ok((given(reader), Some(writer)));
    }
    Ok((unpiped(stream, Standard::Input), None))
}

/// Returns a stream that the child writes to, and for a pipe the end to read from.
fn writing(stream: Stdio, own: Standard) -> io::Result<(Stream, Option<PipeReader>)> {
    if let Stdio::Piped = stream {
        let (reader, writer) = pipe()?;
        return Ok((given(writer), Some(reader)));
    }
    Ok((unpiped(stream, own), None))
}

/// Returns a stream for which nothing is to be opened.
fn unpiped(stream: Stdio, own: Standard) -> Stream {
    match stream {
        // A closed stream has no descriptor to send: the child gets the null device.
        Stdio::Inherit if is_open(own) => Stream::Own(own),
        Stdio::Descriptor(descriptor) => given(descriptor),
        Stdio::Inherit | Stdio::Null | Stdio::Piped => Stream::Null,
    }
}

/// Returns a stream that the job owns from here on: it is closed here when the job has been sent.
fn given(end: impl Into<OwnedFd>) -> Stream {
    Stream::Chosen(Descriptor::from(end.into()))
}

/// Returns whether a standard stream of this process is open: a daemon may have closed its own.
fn is_open(own: Standard) -> bool {
    match own {
        Standard::Input => stdio::is_open(io::stdin()),
        Standard::Output => stdio::is_open(io::stdout()),
        Standard::Error => stdio::is_open(io::stderr()),
    }
}
