//! [`Failure`]: an error that any other turns into with `?`, and that travels.

use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::io;

use serde::{Deserialize, Serialize};

/// An error that any other error turns into with `?`, and that can be sent to another process.
///
/// Errors of other crates mostly cannot travel, so a function that runs in another process cannot return them. It can return
/// `Result<_, Failure>`: the texts travel, of the error and of each that led to it, and of an [`io::Error`] among them its
/// kind and its number too.
///
/// Like `anyhow::Error` it is no [`Error`] itself, or else not every error could become one; [`as_error`](Self::as_error) is. It turns into a
/// `Box<dyn Error>` with `?`, and into an [`io::Error`].
///
/// # Examples
///
/// ```
/// use procession_core::{Failure, codec};
/// use std::{fs, io, path::PathBuf};
///
/// fn words(path: PathBuf) -> Result<usize, Failure> {
///     let text = fs::read_to_string(&path)?;
///     let most: usize = "100".parse()?;
///     let count = text.split_whitespace().count();
///     if count > most { Err(Failure::new("too many words")) } else { Ok(count) }
/// }
///
/// let outcome = words("/no/such/file".into());
///
/// // As it arrives in another process:
/// let outcome: Result<usize, Failure> = codec::decode(codec::encode(&outcome)?)?;
/// let failure = outcome.unwrap_err();
/// assert_eq!(failure.io_kind(), Some(io::ErrorKind::NotFound));
/// assert_eq!(failure.to_string(), "No such file or directory (os error 2)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "RemoteError")]
#[doc(alias = "anyhow")]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure(Box<Inner>);

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Inner {
    link: Link,
    io: Option<Io>,
}

/// One error of a chain.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Link {
    text: String,
    source: Option<Box<Link>>,
}

/// What is known of the [`io::Error`] in the chain.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Io {
    /// By the system's number.
    Os(i32),
    /// By the name of its kind.
    Kind(String),
}

/// Where a chain of errors is cut off, should it have no end. It also stays far below the depth to which values may nest.
const LONGEST_CHAIN: usize = 100;

impl Failure {
    /// A failure with this text.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::Failure;
    ///
    /// let failure = Failure::new(format!("no user {}", 7));
    /// assert_eq!(failure.to_string(), "no user 7");
    /// ```
    pub fn new(text: impl Display) -> Self {
        Self(Box::new(Inner { link: Link { text: text.to_string(), source: None }, io: None }))
    }

    /// What an error says that cannot be turned into one with `?`, because it is behind a pointer: a `Box<dyn Error>`, an `anyhow::Error`.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::Failure;
    /// use std::error::Error;
    ///
    /// fn library() -> Result<u8, Box<dyn Error + Send + Sync>> {
    ///     Err("out of paper".into())
    /// }
    ///
    /// fn task() -> Result<u8, Failure> {
    ///     Ok(library().map_err(|error| Failure::of(&*error))?)
    /// }
    ///
    /// assert_eq!(task().unwrap_err().to_string(), "out of paper");
    /// ```
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let chain: Vec<_> = std::iter::successors(Some(error), |&error| error.source()).take(LONGEST_CHAIN).collect();
        let io = chain.iter().find_map(|error| error.downcast_ref::<io::Error>()).map(Io::of);
        let link = chain
            .iter()
            .rev()
            .fold(None, |source: Option<Box<Link>>, error| Some(Box::new(Link { text: error.to_string(), source })));
        let link = link.map_or_else(|| Link { text: String::new(), source: None }, |link| *link);
        Self(Box::new(Inner { link, io }))
    }

    /// The same failure as the source of another one, which says what was being done.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::Failure;
    ///
    /// fn load(path: &str) -> Result<String, Failure> {
    ///     std::fs::read_to_string(path).map_err(|error| Failure::from(error).context(format!("cannot load {path}")))
    /// }
    ///
    /// let failure = load("/no/such/file").unwrap_err();
    /// assert_eq!(format!("{failure:#}"), "cannot load /no/such/file: No such file or directory (os error 2)");
    /// ```
    #[must_use]
    pub fn context(self, text: impl Display) -> Self {
        let Inner { link, io } = *self.0;
        Self(Box::new(Inner { link: Link { text: text.to_string(), source: Some(Box::new(link)) }, io }))
    }

    /// The texts of all errors of the chain, the last one to occur first.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::Failure;
    ///
    /// let failure = Failure::new("the disk is full").context("nothing was saved");
    /// assert_eq!(failure.chain().collect::<Vec<_>>(), ["nothing was saved", "the disk is full"]);
    /// ```
    pub fn chain(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(&self.0.link), |link| link.source.as_deref()).map(|link| link.text.as_str())
    }

    /// The kind of the first [`io::Error`] in the chain.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::Failure;
    /// use std::io;
    ///
    /// let failure = Failure::from(io::Error::new(io::ErrorKind::TimedOut, "no reply"));
    /// assert_eq!(failure.io_kind(), Some(io::ErrorKind::TimedOut));
    /// ```
    #[must_use]
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self.0.io.as_ref()? {
            Io::Os(number) => Some(io::Error::from_raw_os_error(*number).kind()),
            Io::Kind(name) => {
                Some(KINDS.into_iter().find(|kind| format!("{kind:?}") == *name).unwrap_or(io::ErrorKind::Other))
            }
        }
    }

    /// The system's number of the first [`io::Error`] in the chain, if it has one.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::Failure;
    ///
    /// let failure = Failure::from(std::fs::File::open("/no/such/file").unwrap_err());
    /// assert_eq!(failure.os_error(), Some(2));
    /// ```
    #[doc(alias = "errno")]
    #[doc(alias = "raw_os_error")]
    #[must_use]
    pub fn os_error(&self) -> Option<i32> {
        match self.0.io.as_ref()? {
            Io::Os(number) => Some(*number),
            Io::Kind(_) => None,
        }
    }

    /// As an [`Error`], with the others of the chain as its sources.
    ///
    /// # Examples
    ///
    /// ```
    /// use procession_core::Failure;
    /// use std::error::Error;
    ///
    /// let failure = Failure::new("the disk is full").context("nothing was saved");
    /// assert_eq!(failure.as_error().source().unwrap().to_string(), "the disk is full");
    /// ```
    #[must_use]
    pub fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &self.0.link
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::of(&error)
    }
}

impl From<Failure> for Box<dyn Error + Send + Sync> {
    fn from(failure: Failure) -> Self {
        Box::new(failure.0.link)
    }
}

impl From<Failure> for Box<dyn Error + Send> {
    fn from(failure: Failure) -> Self {
        Box::new(failure.0.link)
    }
}

impl From<Failure> for Box<dyn Error> {
    fn from(failure: Failure) -> Self {
        Box::new(failure.0.link)
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        io::Error::new(failure.io_kind().unwrap_or(io::ErrorKind::Other), failure.0.link)
    }
}

/// The text; with `{:#}` those of the whole chain, joined with colons.
impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max = if f.alternate() { usize::MAX } else { 1 };
        self.chain().take(max).enumerate().try_for_each(|(at, text)| {
            f.write_str(if at > 0 { ": " } else { "" })?;
            f.write_str(text)
        })
    }
}

/// For people, since it is what `unwrap` and `main` show: the text, and below it what led to it.
impl Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.0.link, f)
    }
}

impl Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.source.is_some() {
            f.write_str("\n\nCaused by:")?;
        }
        let mut sources = std::iter::successors(self.source.as_deref(), |link| link.source.as_deref());
        sources.try_for_each(|link| write!(f, "\n    {}", link.text))
    }
}

impl Error for Link {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|link| link as &(dyn Error + 'static))
    }
}

impl Io {
    fn of(error: &io::Error) -> Self {
        error.raw_os_error().map_or_else(|| Io::Kind(format!("{:?}", error.kind())), Io::Os)
    }
}

/// The kinds that one can name.
const KINDS: [io::ErrorKind; 39] = {
    use io::ErrorKind::*;
    [
        NotFound,
        PermissionDenied,
        ConnectionRefused,
        ConnectionReset,
        HostUnreachable,
        NetworkUnreachable,
        ConnectionAborted,
        NotConnected,
        AddrInUse,
        AddrNotAvailable,
        NetworkDown,
        BrokenPipe,
        AlreadyExists,
        WouldBlock,
        NotADirectory,
        IsADirectory,
        DirectoryNotEmpty,
        ReadOnlyFilesystem,
        StaleNetworkFileHandle,
        InvalidInput,
        InvalidData,
        TimedOut,
        WriteZero,
        StorageFull,
        NotSeekable,
        QuotaExceeded,
        FileTooLarge,
        ResourceBusy,
        ExecutableFileBusy,
        Deadlock,
        CrossesDevices,
        TooManyLinks,
        InvalidFilename,
        ArgumentListTooLong,
        Interrupted,
        Unsupported,
        UnexpectedEof,
        OutOfMemory,
        Other,
    ]
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::codec::{decode, encode};

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the settings")]
    struct Settings(#[source] io::Error);

    fn travelled(failure: impl Into<Failure>) -> Failure {
        let failure = failure.into();
        let arrived: Failure = decode(encode(&failure).unwrap()).unwrap();
        assert_eq!(arrived, failure);
        arrived
    }

    #[test]
    fn the_whole_chain_arrives() {
        let failure = travelled(Failure::from(Settings(io::Error::from_raw_os_error(13))).context("no start"));
        assert_eq!(failure.to_string(), "no start");
        assert_eq!(format!("{failure:#}"), "no start: cannot read the settings: Permission denied (os error 13)");
        let text = "no start\n\nCaused by:\n    cannot read the settings\n    Permission denied (os error 13)";
        assert_eq!(format!("{failure:?}"), text);
        assert_eq!((failure.io_kind(), failure.os_error()), (Some(io::ErrorKind::PermissionDenied), Some(13)));
        let boxed: Box<dyn Error + Send + Sync> = failure.clone().into();
        assert_eq!(format!("{boxed:?}"), text);
        assert_eq!(io::Error::from(failure).kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn each_kind_of_io_error_arrives() {
        for kind in KINDS {
            let failure = travelled(io::Error::new(kind, "words"));
            assert_eq!((failure.io_kind(), failure.to_string().as_str()), (Some(kind), "words"));
        }
        assert_eq!(travelled("x".parse::<u8>().unwrap_err()).io_kind(), None);
    }

    #[test]
    fn a_chain_without_end_is_cut_off() {
        #[derive(Debug)]
        struct Endless;
        impl Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("again")
            }
        }
        impl Error for Endless {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&Endless)
            }
        }
        assert_eq!(travelled(Endless).chain().count(), LONGEST_CHAIN);
    }
}
