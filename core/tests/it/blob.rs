//! Immutable bytes: shared without a copy, and really immutable.

use std::num::NonZeroUsize;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use nix::sys::uio::pwrite;
use procession_core::codec::{Descriptor, Message, decode, decode_from, encode};
use procession_core::{Blob, Mapping};
use proptest::prelude::*;

use crate::memory::{FIXED, backed, filled, sparse, strangers};

proptest! {
    #[test]
    fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..10_000)) {
        let theirs: Blob = decode(encode(&Blob::from_bytes(&bytes).unwrap()).unwrap()).unwrap();
        prop_assert_eq!(&theirs[..], bytes);
    }
}

#[test]
fn no_bytes_are_a_blob_too() {
    let empty = Blob::from_bytes(&[]).unwrap();
    assert!(empty.is_empty());
    let theirs: Blob = decode(encode(&empty).unwrap()).unwrap();
    assert_eq!(theirs.len(), 0);
}

#[test]
fn it_lives_as_long_as_any_of_its_holders() {
    let blob = Blob::from_bytes(b"still here").unwrap();
    let copy = blob.clone();
    let theirs: Blob = decode(encode(&blob).unwrap()).unwrap();
    drop((blob, copy));
    assert_eq!(&theirs[..], b"still here");
}

#[test]
fn not_even_its_maker_can_change_it() {
    let blob = Blob::from_bytes(&[1; 5000]).unwrap();
    assert_eq!(pwrite(&blob, &[2], 0), Err(Errno::EPERM));
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    assert_eq!(fallocate(&blob, punch, 0, 4096), Err(Errno::EPERM));
    let (len, access) = (NonZeroUsize::new(5000).unwrap(), ProtFlags::PROT_READ | ProtFlags::PROT_WRITE);
    // SAFETY: the kernel chooses a free address, and the call is expected to fail anyway.
    let mapped = unsafe { mmap(None, len, access, MapFlags::MAP_SHARED, &blob, 0) };
    assert_eq!(mapped, Err(Errno::EPERM));
    assert_eq!(blob[..], [1; 5000]);
}

#[test]
fn its_descriptor_can_be_taken_out_whoever_else_holds_it() {
    let blob = Blob::from_bytes(b"abc").unwrap();
    let copy = blob.clone();
    let shared = blob.into_descriptor().unwrap();
    assert_eq!(&copy[..], b"abc");
    let alone = copy.into_descriptor().unwrap();
    for memory in [shared, alone] {
        assert_eq!(&Blob::from_descriptor(memory, 3).unwrap()[..], b"abc");
    }
}

#[test]
fn a_descriptor_of_something_else_is_refused() {
    for stranger in strangers() {
        let error = Blob::from_descriptor(stranger, 10).unwrap_err();
        assert_eq!(error.to_string(), "the descriptor is not shared memory");
    }
}

#[test]
fn memory_that_somebody_may_write_is_refused() {
    let mapping = Mapping::new(4096).unwrap();
    let memory = mapping.as_fd().try_clone_to_owned().unwrap();
    let error = Blob::from_descriptor(memory, 4096).unwrap_err();
    assert!(error.to_string().starts_with("shared memory lacks seals"), "{error}");

    // This seal forbids new writers, but leaves those who mapped the memory before.
    let later = sparse(4096, FIXED | SealFlag::F_SEAL_FUTURE_WRITE);
    assert!(Blob::from_descriptor(later, 4096).is_err());
}

#[test]
fn memory_that_lacks_a_seal_is_refused() {
    let all = FIXED | SealFlag::F_SEAL_WRITE;
    assert!(Blob::from_descriptor(filled(10, all), 10).is_ok());
    for missing in [SealFlag::F_SEAL_SHRINK, SealFlag::F_SEAL_GROW, SealFlag::F_SEAL_SEAL, SealFlag::F_SEAL_WRITE] {
        assert!(Blob::from_descriptor(sparse(10, all.difference(missing)), 10).is_err(), "{missing:?}");
    }
}

#[test]
fn memory_of_another_size_is_refused() {
    let all = FIXED | SealFlag::F_SEAL_WRITE;
    for len in [0, 9, 11, 1 << 40, u64::MAX] {
        assert!(Blob::from_descriptor(sparse(10, all), len).is_err(), "{len}");
    }
}

#[test]
fn holes_are_refused_and_not_filled() {
    let memory = sparse(1 << 31, FIXED | SealFlag::F_SEAL_WRITE);
    let copy = memory.try_clone().unwrap();
    assert!(Blob::from_descriptor(memory, 1 << 31).is_err());
    assert_eq!(backed(&copy), 0);
}

#[test]
fn its_memory_can_never_be_executed_where_the_kernel_knows_how() {
    const SEAL_EXEC: i32 = 0x20;
    let seals = fcntl(Blob::from_bytes(b"x").unwrap(), FcntlArg::F_GET_SEALS).unwrap();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next(), numbers.next());
    assert_eq!(seals & SEAL_EXEC != 0, version >= (Some(6), Some(3)), "Linux {release}");
}

#[test]
fn a_message_in_sealed_memory_is_sent_without_its_bytes() {
    let blob = Blob::from_bytes(encode(&vec![7u32; 1000]).unwrap().bytes()).unwrap();
    let outer = encode(&Message::from_blob(blob, Vec::new())).unwrap();
    assert!(outer.bytes().len() < 10);
    let inner: Message = decode(outer).unwrap();
    assert_eq!(decode::<Vec<u32>>(inner).unwrap(), [7; 1000]);
}

#[test]
fn a_refusal_inside_a_message_is_an_error() {
    assert!(decode_from::<Blob>(&[0, 5], Vec::new()).is_err());
    let memory = Mapping::new(4096).unwrap();
    let error = decode::<Blob>(encode(&memory).unwrap()).unwrap_err();
    assert!(error.message().contains("was sent as `mapping`"), "{error}");
    let zeros = Descriptor::from(std::os::fd::OwnedFd::from(std::fs::File::open("/dev/zero").unwrap()));
    let error = decode::<Blob>(encode(&(zeros, 5_u64)).unwrap()).unwrap_err();
    assert_eq!(error.message(), "the descriptor is not shared memory");
}
