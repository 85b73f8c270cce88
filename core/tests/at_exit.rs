//! What a program is told whose C library has no memory for one more exit handler: alone in its program, because it stands in for
//! the C library.

use std::ffi::c_int;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::libc;
use procession_core::os::exit::{at_exit, on_exit_status};

/// How many registrations were asked for.
static ASKED: AtomicU32 = AtomicU32::new(0);

#[unsafe(no_mangle)]
extern "C" fn atexit(_function: extern "C" fn()) -> c_int {
    ASKED.fetch_add(1, Ordering::Relaxed);
    -1
}

#[unsafe(no_mangle)]
extern "C" fn on_exit(_function: extern "C" fn(c_int, *mut libc::c_void), _argument: *mut libc::c_void) -> c_int {
    ASKED.fetch_add(1, Ordering::Relaxed);
    -1
}

#[test]
fn a_registration_that_has_failed_fails_again_and_is_tried_again() {
    for asked in 1..=3 {
        assert_eq!(at_exit(|| ()).unwrap_err().kind(), ErrorKind::OutOfMemory);
        assert_eq!(on_exit_status(|_| ()).unwrap_err().kind(), ErrorKind::OutOfMemory);
        assert_eq!(ASKED.load(Ordering::Relaxed), 2 * asked);
    }
}
