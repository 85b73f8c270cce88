//! Copies between shared memory, which others may change at any time, and private memory, at the speed of the machine.
//!
//! The promise is that of a loop over relaxed atomic bytes. Compilers keep such a loop as it is, a byte at a time, so
//! longer stretches are copied by instructions that the compiler does not look into.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::tuning::MAX_BYTEWISE_COPY_LEN;

/// Copies bytes out of shared memory.
///
/// # Panics
///
/// The lengths differ.
pub(crate) fn out_of(shared: &[AtomicU8], into: &mut [u8]) {
    assert_eq!(shared.len(), into.len());
    if into.len() <= MAX_BYTEWISE_COPY_LEN {
        into.iter_mut().zip(shared).for_each(|(to, byte)| *to = byte.load(Ordering::Relaxed));
    } else {
        // SAFETY: both have this length, and the second one is borrowed for this alone. Others may write to the first meanwhile.
        unsafe { copy(into.as_mut_ptr(), shared.as_ptr().cast(), into.len()) }
    }
}

/// Copies bytes into shared memory.
///
/// # Panics
///
/// The lengths differ.
pub(crate) fn into(shared: &[AtomicU8], from: &[u8]) {
    assert_eq!(shared.len(), from.len());
    if from.len() <= MAX_BYTEWISE_COPY_LEN {
        shared.iter().zip(from).for_each(|(to, byte)| to.store(*byte, Ordering::Relaxed));
    } else {
        // SAFETY: both have this length, and atomics may be written through a shared reference. Others may do so meanwhile.
        unsafe { copy(shared.as_ptr().cast::<u8>().cast_mut(), from.as_ptr(), from.len()) }
    }
}

/// Copies `len` bytes, each once, in any order, as relaxed atomic loads and stores of bytes would.
///
/// # Safety
///
/// `from` can be read and `to` written for `len` bytes, and the two do not overlap. One of them may be shared with others that read and
/// write it atomically.
#[cfg(all(target_arch = "x86_64", not(miri)))]
unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller promises both stretches. The instruction changes these registers and that memory only; the direction flag is
    // clear by the calling convention. What it does is what a loop over relaxed atomic bytes may do.
    unsafe {
        std::arch::asm!(
            "rep movsb",
            inout("rcx") len => _,
            inout("rdi") to => _,
            inout("rsi") from => _,
            options(nostack, preserves_flags)
        );
    }
}

/// Copies `len` bytes, each once, in any order, as relaxed atomic loads and stores of bytes would.
///
/// # Safety
///
/// `from` can be read and `to` written for `len` bytes, and the two do not overlap. One of them may be shared with others that read and
/// write it atomically.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    let words = copy_words(to, from, len);
    for at in words..len {
        // SAFETY: below `len`, where the caller promises memory; a byte is aligned and any value is one.
        let from = unsafe { AtomicU8::from_ptr(from.add(at).cast_mut()) };
        // SAFETY: as above.
        let to = unsafe { AtomicU8::from_ptr(to.add(at)) };
        to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Copies the whole pairs of words. Returns the number of bytes copied.
#[cfg(all(target_arch = "aarch64", not(miri)))]
fn copy_words(to: *mut u8, from: *const u8, len: usize) -> usize {
    let whole = len & !15;
    if whole != 0 {
        // SAFETY: `copy`, the only caller, was promised `len` bytes at both. The loop ends after `whole` bytes, and changes these
        // registers and that memory only.
        unsafe {
            std::arch::asm!(
                "2:",
                "ldp {low}, {high}, [{from}], #16",
                "stp {low}, {high}, [{to}], #16",
                "subs {left}, {left}, #16",
                "b.ne 2b",
                low = out(reg) _,
                high = out(reg) _,
                from = inout(reg) from => _,
                to = inout(reg) to => _,
                left = inout(reg) whole => _,
                options(nostack)
            );
        }
    }
    whole
}

/// Copies nothing: the caller copies byte by byte.
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", not(miri)))))]
fn copy_words(_to: *mut u8, _from: *const u8, _len: usize) -> usize {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_place_is_copied_exactly() {
        let shared: Vec<AtomicU8> = (0..300).map(|_| AtomicU8::new(0xee)).collect();
        for len in 0..200 {
            for start in [0, 1, 7, 8, 63, 99] {
                let sent: Vec<u8> = (0..len).map(|n| (n * 7 + start) as u8).collect();
                into(&shared[start..start + len], &sent);
                let mut got = vec![0; len];
                out_of(&shared[start..start + len], &mut got);
                assert_eq!(got, sent);
                let untouched = |at: usize| shared[at].load(Ordering::Relaxed) == 0xee;
                assert!((0..start).chain(start + len..300).all(untouched), "{len} bytes at {start}");
                shared.iter().for_each(|byte| byte.store(0xee, Ordering::Relaxed));
            }
        }
    }
}
