//! Descriptors inside values: they arrive, each once, and none is left open.

use std::cell::RefCell;
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use procession_core::codec::{Descriptor, Message, decode, decode_from, encode, fd};
use serde::{Deserialize, Serialize, Serializer};

/// A pipe whose writing end can be sent.
fn channel() -> (PipeReader, Descriptor) {
    let (reader, writer) = pipe().unwrap();
    (reader, Descriptor::from(OwnedFd::from(writer)))
}

/// Whether no writing end of the pipe is open any more.
#[track_caller]
fn is_abandoned(reader: &PipeReader) -> bool {
    let mut ends = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
    poll(&mut ends, PollTimeout::ZERO).unwrap();
    ends[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
}

#[test]
fn a_descriptor_arrives_closed_on_exec_and_open_for_use() {
    let (mut reader, writer) = channel();
    let message = encode(&(1u8, writer)).unwrap();
    assert!(message.bytes().starts_with(&[1, 0]) && message.descriptors().len() == 1);

    let (_, received): (u8, Descriptor) = decode(message).unwrap();
    let flags = fcntl(&received, FcntlArg::F_GETFD).unwrap();
    assert!(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC));
    File::from(OwnedFd::from(received)).write_all(b"through").unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through");
}

#[test]
fn the_sender_keeps_its_own() {
    let (reader, writer) = channel();
    drop(encode(&writer).unwrap());
    assert!(!is_abandoned(&reader));
    drop(writer);
    assert!(is_abandoned(&reader));
}

#[derive(Serialize, Deserialize)]
struct Ends {
    #[serde(with = "fd")]
    reader: PipeReader,
    #[serde(with = "fd")]
    writer: PipeWriter,
}

#[test]
fn several_descriptors_keep_their_places() {
    let (reader, writer) = pipe().unwrap();
    let message = encode(&Ends { reader, writer }).unwrap();
    let Ends { mut reader, mut writer } = decode(message).unwrap();
    writer.write_all(b"x").unwrap();
    drop(writer);
    assert_eq!(reader.read(&mut [0; 2]).unwrap(), 1);
}

#[test]
fn outside_a_message_a_descriptor_cannot_be_written() {
    let (_, writer) = channel();
    let error = serde_json::to_string(&writer).unwrap_err();
    assert!(error.to_string().contains("inside a message to another process"), "{error}");
}

#[test]
fn outside_a_message_a_descriptor_cannot_be_read() {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, U32Deserializer};
    let number: U32Deserializer<Error> = 0u32.into_deserializer();
    let error = Descriptor::deserialize(number).unwrap_err();
    assert_eq!(error.to_string(), "a descriptor can only be received inside a message from another process");
}

#[test]
fn a_number_without_a_descriptor_is_an_error() {
    let error = decode_from::<Descriptor>(&[0], Vec::new()).unwrap_err();
    assert_eq!(error.message(), "the value names descriptor 0, but the message carried 0");
}

#[test]
fn a_number_that_comes_twice_is_an_error_and_closes_both() {
    let (reader, writer) = channel();
    let error = decode_from::<(Descriptor, Descriptor)>(&[0, 0], vec![writer.into()]).unwrap_err();
    assert_eq!(error.message(), "the value names descriptor 0 twice");
    assert!(is_abandoned(&reader));
}

#[test]
fn a_descriptor_that_nothing_mentions_is_an_error_and_is_closed() {
    let (reader, writer) = channel();
    let error = decode_from::<()>(&[], vec![writer.into()]).unwrap_err();
    assert_eq!(error.message(), "message carried 1 descriptors that the value does not mention");
    assert!(is_abandoned(&reader));
}

#[test]
fn an_error_in_the_bytes_closes_the_descriptors() {
    let (reader, writer) = channel();
    assert!(decode_from::<(Descriptor, u8)>(&[0], vec![writer.into()]).is_err());
    assert!(is_abandoned(&reader));
}

#[test]
fn a_message_inside_a_message_brings_its_descriptors() {
    let (mut reader, writer) = channel();
    let inner = encode(&("inner", &writer)).unwrap();
    let outer = encode(&(&writer, inner, "outer")).unwrap();
    drop(writer);
    assert_eq!(outer.descriptors().len(), 2);

    let (first, inner, text): (Descriptor, Message, String) = decode(outer).unwrap();
    let (inner_text, second): (String, Descriptor) = decode(inner).unwrap();
    assert_eq!((text.as_str(), inner_text.as_str()), ("outer", "inner"));
    for end in [first, second] {
        File::from(OwnedFd::from(end)).write_all(b"!").unwrap();
    }
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "!!");
}

#[test]
fn a_copy_of_a_message_has_descriptors_of_its_own() {
    let (reader, writer) = channel();
    let message = encode(&writer).unwrap();
    let copy = message.try_clone().unwrap();
    drop((message, writer));
    assert!(!is_abandoned(&reader));
    drop(decode::<Descriptor>(copy).unwrap());
    assert!(is_abandoned(&reader));
}

/// Encodes a message of its own while it is being encoded.
struct Secretive<'a>(&'a Descriptor, RefCell<Option<Message>>);

impl Serialize for Secretive<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        *self.1.borrow_mut() = Some(encode(&(self.0, self.0)).unwrap());
        self.0.serialize(serializer)
    }
}

#[test]
fn a_message_made_while_another_is_made_has_a_table_of_its_own() {
    let (_reader, writer) = channel();
    let value = Secretive(&writer, RefCell::default());
    let outer = encode(&(&writer, &value)).unwrap();
    assert!(outer.bytes().starts_with(&[0, 1]) && outer.descriptors().len() == 2);
    let inner = value.1.into_inner().unwrap();
    assert!(inner.bytes().starts_with(&[0, 1]) && inner.descriptors().len() == 2);
}

/// Sends a descriptor, and then panics.
struct Panicking<'a>(&'a Descriptor);

impl Serialize for Panicking<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)?;
        panic!("on purpose")
    }
}

#[test]
fn a_panic_while_encoding_leaves_nothing_behind() {
    let (reader, writer) = channel();
    assert!(catch_unwind(AssertUnwindSafe(|| encode(&Panicking(&writer)))).is_err());
    assert_eq!(encode(&1u8).unwrap().descriptors().len(), 0);
    drop(writer);
    assert!(is_abandoned(&reader));
}

#[test]
fn debug_output_shows_sizes_and_not_secrets() {
    let text = format!("{:?}", encode("password").unwrap());
    assert!(text.contains("len: ") && !text.contains("pass") && !text.contains("112"), "{text}");
}
