//! The profile of an instrumented program: what `-C instrument-coverage` and profile-guided optimization count.
//!
//! Their runtime writes it from an exit handler, which copies do not run. It is not there in programs that are not instrumented,
//! so it is named weakly.

use std::arch::global_asm;
use std::env;
use std::ffi::{CString, OsString, c_char, c_int};

// A table of three addresses, each null where the program has no such function. Rust itself cannot name a symbol weakly.
global_asm!(
    ".weak __llvm_profile_reset_counters",
    ".weak __llvm_profile_set_filename",
    ".weak __llvm_profile_write_file",
    ".pushsection .data.rel.ro.procession_profile,\"aw\"",
    ".balign 8",
    ".hidden procession_profile",
    ".globl procession_profile",
    "procession_profile:",
    ".quad __llvm_profile_reset_counters",
    ".quad __llvm_profile_set_filename",
    ".quad __llvm_profile_write_file",
    ".popsection",
);

/// LLVM's runtime, as `compiler-rt/lib/profile/InstrProfiling.h` declares it.
#[repr(C)]
struct Runtime {
    reset: Option<extern "C" fn()>,
    set_name: Option<unsafe extern "C" fn(*const c_char)>,
    write: Option<extern "C" fn() -> c_int>,
}

unsafe extern "C" {
    #[link_name = "procession_profile"]
    static RUNTIME: Runtime;
}

fn runtime() -> &'static Runtime {
    // SAFETY: the table above: three addresses that the linker or loader has filled in before any code runs, and that never change.
    unsafe { &RUNTIME }
}

/// In a copy: what its original has counted is the original's to write.
///
/// ```
/// procession_core::os::profile::begin_copy(); // nothing, unless this program is instrumented
/// ```
pub fn begin_copy() {
    if let Some(reset) = runtime().reset {
        reset();
    }
}

/// Writes the profile of this process, if the program is instrumented: to the file that `LLVM_PROFILE_FILE` names, with the number
/// of this process for `%p`.
///
/// ```
/// procession_core::os::profile::write(); // nothing, unless this program is instrumented
/// ```
pub fn write() {
    if let Runtime { set_name: Some(set_name), write: Some(write), .. } = runtime() {
        if let Some(name) = env::var_os("LLVM_PROFILE_FILE").filter(|name| !name.is_empty()) {
            rename(*set_name, name);
        }
        // Without that variable the name has `%m` in it, and all processes add to one file.
        let _unwritable = write();
    }
}

/// Has the name of the file made anew: the number in it is that of the process that this one was copied from.
fn rename(set_name: unsafe extern "C" fn(*const c_char), name: OsString) {
    let Ok(name) = CString::new(name.into_encoded_bytes()) else { return };
    // The same name twice would change nothing, and whichever is set is made empty at once: hence this one first.
    // SAFETY: it copies a string that ends with a zero.
    unsafe { set_name(c"/dev/null".as_ptr()) };
    // SAFETY: as above.
    unsafe { set_name(name.as_ptr()) };
}
