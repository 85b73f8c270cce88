//! Shared memory: the same bytes for everybody, of a size that nobody can change, refused when it is anything else.

use std::fs;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::Relaxed;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::unistd::ftruncate;
use procession_core::codec::{Descriptor, decode, decode_from, encode};
use procession_core::{Blob, Mapping};

use crate::memory::{FIXED, backed, sparse, strangers};

fn maps() -> String {
    fs::read_to_string("/proc/self/maps").unwrap()
}

#[test]
fn it_is_zeroed_page_aligned_and_of_the_length_asked() {
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).unwrap().unwrap() as usize;
    for len in [1, 7, page - 1, page, page + 1, 3_000_000] {
        let mapping = Mapping::new(len).unwrap();
        assert_eq!((mapping.len(), mapping.bytes().len()), (len, len));
        assert_eq!(mapping.as_ptr().addr().get() % page, 0);
        assert!(mapping.bytes().iter().all(|byte| byte.load(Relaxed) == 0));
    }
}

#[test]
fn all_of_it_is_allocated_at_once() {
    let mapping = Mapping::new(1_000_000).unwrap();
    assert!(backed(&mapping) >= 1_000_000);
}

#[test]
fn sent_and_received_it_is_the_same_memory() {
    let mapping = Mapping::new(5000).unwrap();
    let copy = mapping.clone();
    let theirs: Mapping = decode(encode(&mapping).unwrap()).unwrap();
    assert_ne!(theirs.as_ptr(), mapping.as_ptr());
    theirs.bytes()[4999].store(9, Relaxed);
    drop((theirs, mapping));
    assert_eq!(copy.bytes()[4999].load(Relaxed), 9);
}

#[test]
fn it_is_unmapped_and_closed_when_the_last_clone_goes() {
    const LABEL: &str = "procession: gone soon";
    let mapping = Mapping::with_label(1, LABEL).unwrap();
    let copy = mapping.clone();
    drop(mapping);
    assert!(maps().contains(LABEL));
    drop(copy);
    assert!(!maps().contains(LABEL));
    let mut open = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    assert!(open.all(|target| !target.to_string_lossy().contains(LABEL)));
}

#[test]
fn any_label_will_do() {
    for label in ["", "with\0zero", "slash/slash", &"long ".repeat(200)] {
        assert_eq!(Mapping::with_label(1, label).unwrap().len(), 1);
    }
}

#[test]
fn nobody_can_change_its_size_or_its_seals() {
    let mapping = Mapping::new(100).unwrap();
    assert_eq!(ftruncate(&mapping, 0), Err(Errno::EPERM));
    assert_eq!(ftruncate(&mapping, 1 << 20), Err(Errno::EPERM));
    assert_eq!(fcntl(&mapping, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_WRITE)), Err(Errno::EPERM));
}

#[test]
fn too_much_is_an_error_that_names_both_numbers() {
    for len in [1 << 50, isize::MAX as usize, usize::MAX] {
        let error = Mapping::new(len).unwrap_err();
        assert!(error.is_out_of_memory());
        let text = error.to_string();
        assert!(text.contains(&len.to_string()) && text.ends_with("bytes are free"), "{text}");
    }
}

#[test]
fn a_descriptor_of_something_else_is_refused() {
    for stranger in strangers() {
        let error = Mapping::from_descriptor(stranger, 4096).unwrap_err();
        assert_eq!(error.to_string(), "the descriptor is not shared memory");
    }
}

/// A file in a tmpfs looks like a memory file in all but its seals.
#[test]
fn a_named_file_in_memory_is_refused() {
    let path = format!("/dev/shm/procession-test-{}", std::process::id());
    let Ok(file) = fs::File::create_new(&path) else { return };
    fs::remove_file(&path).unwrap();
    file.set_len(4096).unwrap();
    let error = Mapping::from_descriptor(file.into(), 4096).unwrap_err();
    assert!(error.to_string().starts_with("shared memory lacks seals"), "{error}");
}

#[test]
fn memory_that_lacks_a_seal_is_refused() {
    for missing in [SealFlag::F_SEAL_SHRINK, SealFlag::F_SEAL_GROW, SealFlag::F_SEAL_SEAL] {
        let error = Mapping::from_descriptor(sparse(4096, FIXED.difference(missing)), 4096).unwrap_err();
        assert!(error.to_string().starts_with("shared memory lacks seals"), "{error}");
    }
}

#[test]
fn memory_of_another_size_is_refused() {
    for (size, len) in [(0, 1), (4096, 1 << 20), (1 << 20, 100), (100, 100), (1 << 20, usize::MAX)] {
        assert!(Mapping::from_descriptor(sparse(size, FIXED), len).is_err(), "{size} {len}");
    }
    assert!(Mapping::from_descriptor(sparse(0, FIXED), 0).is_err());
}

#[test]
fn memory_that_cannot_be_written_is_refused() {
    let error = Mapping::from_descriptor(sparse(1 << 16, FIXED | SealFlag::F_SEAL_WRITE), 1 << 16).unwrap_err();
    assert!(!error.is_out_of_memory());
    let blob = Blob::from_bytes(&[1; 4096]).unwrap();
    assert!(Mapping::from_descriptor(blob.as_fd().try_clone_to_owned().unwrap(), 4096).is_err());
}

#[test]
fn memory_with_holes_is_refused_and_takes_up_none() {
    let memory = sparse(1 << 31, FIXED);
    let copy = memory.try_clone().unwrap();
    let error = Mapping::from_descriptor(memory, 1 << 31).unwrap_err();
    assert!(error.to_string().contains("has pages for 0 only"), "{error}");
    assert_eq!(backed(&copy), 0);
}

#[test]
fn more_holes_than_there_is_memory_are_refused() {
    let error = Mapping::from_descriptor(sparse(1 << 50, FIXED), 1 << 50).unwrap_err();
    assert!(!error.is_out_of_memory(), "{error}");
}

#[test]
fn a_hole_punched_later_reads_as_zeros() {
    let mapping = Mapping::new(1 << 16).unwrap();
    mapping.bytes()[5].store(1, Relaxed);
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(&mapping, punch, 0, 1 << 16).unwrap();
    assert_eq!(mapping.bytes()[5].load(Relaxed), 0);
}

#[test]
fn a_refusal_inside_a_message_keeps_its_words() {
    let file = Descriptor::from(std::os::fd::OwnedFd::from(fs::File::open("/").unwrap()));
    let message = encode(&(file, 4096u64)).unwrap();
    let error = decode::<Mapping>(message).unwrap_err();
    assert_eq!(error.message(), "descriptor 0 was sent as `plain descriptor`, and cannot be received as `mapping`");
    assert!(decode_from::<Mapping>(&[0, 1], Vec::new()).is_err());
}
