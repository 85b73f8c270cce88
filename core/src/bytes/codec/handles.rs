//! [`Handles`]: what travels beside the bytes of a message, each with the [`Kind`] of what it is.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// What a descriptor in a message is, so that it is received as that and as nothing else.
///
/// A [`Descriptor`](super::Descriptor) is of the plain kind: the owner of the message may have the open object too. All others are the
/// inside of a handle, say the memory behind a lock. They come out of a message only as what they went in, because the rest of the
/// program relies on it that no other code reads or writes there.
///
/// Kinds are made by the crates that have something to protect. Code that has a kind can open everything of it, so making one is unsafe,
/// and having one is a matter of trust: a crate keeps its kinds to itself.
///
/// ```
/// use procession_core::codec::Kind;
/// use procession_core::{Mapping, codec};
///
/// # mod mine {
/// # use procession_core::codec::Kind;
/// // SAFETY: no other crate uses this name, and this one hands out neither the kind nor the memory.
/// pub const MINE: Kind = unsafe { Kind::new(*b"mine    ") };
/// # }
/// # use mine::MINE;
/// struct Mine(Mapping);
///
/// impl serde::Serialize for Mine {
///     fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
///         self.0.serialize_as(MINE, serializer)
///     }
/// }
///
/// let message = codec::encode(&Mine(Mapping::new(64)?))?;
/// assert!(codec::decode::<Mapping>(message).is_err(), "it is not just any memory");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(u64);

impl Kind {
    /// That of a [`Descriptor`](super::Descriptor).
    pub(crate) const PLAIN: Kind = Kind(0);

    /// A kind with this name.
    ///
    /// # Safety
    ///
    /// The name is one that no other crate gives to a kind, and not all zeros. The kind is not handed to code that does not keep to what
    /// is promised about the things of this kind.
    ///
    /// ```
    /// use procession_core::codec::Kind;
    ///
    /// // SAFETY: no other code uses this name, and no other code gets the kind.
    /// const LEDGER: Kind = unsafe { Kind::new(*b"ledger  ") };
    /// assert_eq!(format!("{LEDGER:?}"), "Kind(ledger)");
    /// ```
    ///
    /// Code without `unsafe` makes none:
    ///
    /// ```compile_fail,E0133
    /// let kind = procession_core::codec::Kind::new(*b"stranger");
    /// ```
    #[must_use]
    pub const unsafe fn new(name: [u8; 8]) -> Kind {
        Kind(u64::from_le_bytes(name))
    }

    /// One of this crate's own kinds.
    pub(crate) const fn own(name: [u8; 8]) -> Kind {
        Kind(u64::from_le_bytes(name))
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kind({self})")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Kind::PLAIN {
            return f.write_str("plain descriptor");
        }
        write!(f, "{}", String::from_utf8_lossy(&self.0.to_le_bytes()).trim_end())
    }
}

/// An open object, and what it is.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) fd: OwnedFd,
    pub(crate) kind: Kind,
}

impl Handle {
    fn try_clone(&self) -> io::Result<Handle> {
        Ok(Handle { fd: self.fd.try_clone()?, kind: self.kind })
    }
}

/// The open objects that travel beside the bytes of a message, in the order of their numbers there.
///
/// They can be counted, kept, sent on and closed. To get at one, decode the message that they belong to: then it comes out as what it
/// went in.
///
/// ```
/// use procession_core::codec::{Handles, decode_from, encode, Descriptor};
/// use std::{fs::File, os::fd::OwnedFd};
///
/// let null = Descriptor::from(OwnedFd::from(File::open("/dev/null")?));
/// let (bytes, handles) = encode(&null)?.into_parts();
/// assert_eq!(handles.len(), 1);
/// let _null: Descriptor = decode_from(&bytes, handles)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Handles(
    /// `None` for no handles. One word, because almost no message has any, and each one passes the table through several calls: larger
    /// results are returned through memory, and copies of them wait for the stores that made them.
    #[expect(clippy::box_collection, reason = "a vector is three words")]
    Option<Box<Vec<Handle>>>,
);

impl Handles {
    /// None.
    ///
    /// ```
    /// assert!(procession_core::codec::Handles::new().is_empty());
    /// ```
    #[must_use]
    pub const fn new() -> Handles {
        Handles(None)
    }

    /// Returns how many there are.
    ///
    /// ```
    /// assert_eq!(procession_core::codec::encode("text")?.descriptors().len(), 0);
    /// # Ok::<(), procession_core::codec::EncodeError>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Returns whether there are no descriptors.
    ///
    /// ```
    /// assert!(procession_core::codec::encode("text")?.descriptors().is_empty());
    /// # Ok::<(), procession_core::codec::EncodeError>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Second descriptors for the same open objects.
    ///
    /// # Errors
    ///
    /// The limit on open descriptors is reached.
    ///
    /// ```
    /// let message = procession_core::codec::encode("text")?;
    /// assert_eq!(message.descriptors().try_clone()?.len(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<Handles> {
        self.as_slice().iter().map(Handle::try_clone).collect()
    }

    /// Puts others behind these.
    ///
    /// ```
    /// use procession_core::codec::Handles;
    ///
    /// let (reader, writer) = std::io::pipe()?;
    /// let mut handles = Handles::from(vec![reader.into()]);
    /// handles.append(Handles::from(vec![writer.into()]));
    /// assert_eq!(handles.len(), 2);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn append(&mut self, others: Handles) {
        if !others.is_empty() {
            self.0.get_or_insert_default().append(&mut others.into_vec());
        }
    }

    pub(crate) fn as_slice(&self) -> &[Handle] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn into_vec(self) -> Vec<Handle> {
        self.0.map_or_else(Vec::new, |handles| *handles)
    }

    /// The kinds, as they are written beside the bytes.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = [u8; Kind::SIZE]> {
        self.as_slice().iter().map(|one| one.kind.0.to_le_bytes())
    }

    /// What arrived, with the kinds that were written beside the bytes; `None` if they are not as many.
    pub(crate) fn with_kinds(descriptors: Vec<OwnedFd>, kinds: &[u8]) -> Option<Handles> {
        let (kinds, rest) = kinds.as_chunks::<{ Kind::SIZE }>();
        // With counts that differ, a descriptor would get the kind of another one, and be taken for what it is not.
        if kinds.len() != descriptors.len() || !rest.is_empty() {
            return None;
        }
        let kinds = kinds.iter().map(|kind| Kind(u64::from_le_bytes(*kind)));
        Some(descriptors.into_iter().zip(kinds).map(|(fd, kind)| Handle { fd, kind }).collect())
    }
}

impl Kind {
    /// How many bytes one takes up beside a message.
    pub(crate) const SIZE: usize = size_of::<u64>();
}

impl From<Vec<OwnedFd>> for Handles {
    /// Descriptors of one's own, as plain ones.
    #[inline]
    fn from(descriptors: Vec<OwnedFd>) -> Handles {
        descriptors.into_iter().map(|fd| Handle { fd, kind: Kind::PLAIN }).collect()
    }
}

impl FromIterator<Handle> for Handles {
    fn from_iter<I: IntoIterator<Item = Handle>>(handles: I) -> Handles {
        let handles: Vec<Handle> = handles.into_iter().collect();
        Handles((!handles.is_empty()).then(|| Box::new(handles)))
    }
}

impl fmt::Debug for Handles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.as_slice().iter().map(|one| format!("{} {}", one.kind, one.fd.as_raw_fd())))
            .finish()
    }
}
