//! What a copy of a process does before it leaves: alone in its program, because it forks, and because it stands in for the runtime
//! of an instrumented program.

use std::ffi::{CStr, c_char, c_int};
use std::io::Read;

use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, dup2_stdout, fork};
use procession_core::os::exit::leave;
use procession_core::os::profile;

fn say(text: &CStr) {
    // SAFETY: these are the bytes of the string.
    unsafe { libc::write(1, text.as_ptr().cast(), text.count_bytes()) };
}

#[unsafe(no_mangle)]
extern "C" fn __llvm_profile_reset_counters() {
    say(c"reset;");
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __llvm_profile_set_filename(name: *const c_char) {
    // SAFETY: it is called with strings that end with a zero.
    say(unsafe { CStr::from_ptr(name) });
    say(c";");
}

#[unsafe(no_mangle)]
extern "C" fn __llvm_profile_write_file() -> c_int {
    say(c"written;");
    0
}

#[test]
fn a_copy_that_leaves_flushes_what_c_has_printed_and_writes_its_profile() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    // SAFETY: the only other thread is the harness's, which waits for this one.
    let ForkResult::Parent { child } = (unsafe { fork() }).unwrap() else {
        dup2_stdout(writer).unwrap();
        // SAFETY: nobody else reads the environment.
        unsafe { std::env::set_var("LLVM_PROFILE_FILE", "name-%p") };
        profile::begin_copy();
        // SAFETY: the format has no arguments.
        unsafe { libc::printf(c"words of C;".as_ptr()) };
        leave(7)
    };
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "reset;words of C;/dev/null;name-%p;written;");
    assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 7));
}
