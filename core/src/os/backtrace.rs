//! Where this thread is: the addresses to which its calls return.
//!
//! Only addresses: what lies there is found out by the process that wants to read it, which may be another process. Looking up names
//! takes a thousand times as long, and needs memory that a process at its limit does not have.

use std::ffi::{c_int, c_void};

/// What the unwinder knows of one call.
#[repr(C)]
struct Context {
    _private: [u8; 0],
}

/// `_URC_NO_REASON` and `_URC_END_OF_STACK` of the Itanium C++ ABI.
const GO_ON: c_int = 0;
const STOP: c_int = 5;

unsafe extern "C" {
    fn _Unwind_Backtrace(function: extern "C" fn(*mut Context, *mut c_void) -> c_int, argument: *mut c_void) -> c_int;
    fn _Unwind_GetIPInfo(context: *mut Context, is_before: *mut c_int) -> usize;
}

/// Where the addresses go, and how many have come.
struct Taken<'a> {
    room: &'a mut [usize],
    count: usize,
}

/// Writes the addresses to which the calls of this thread return, innermost first, as many as there is room for, and returns how
/// many these are. Allocates nothing.
///
/// ```
/// let mut room = [0; 64];
/// let count = procession_core::os::backtrace::capture(&mut room);
/// assert!(count > 1 && room[..count].iter().all(|address| *address != 0));
/// ```
pub fn capture(room: &mut [usize]) -> usize {
    let mut taken = Taken { room, count: 0 };
    // SAFETY: the function has the signature that the unwinder asks for, does not unwind, and gets back the pointer to `taken`,
    // which lives across the call.
    let _why_it_ended = unsafe { _Unwind_Backtrace(take, (&raw mut taken).cast()) };
    taken.count
}

extern "C" fn take(context: *mut Context, taken: *mut c_void) -> c_int {
    // SAFETY: this is what `capture` has passed, and no other code uses it meanwhile.
    let taken = unsafe { &mut *taken.cast::<Taken<'_>>() };
    let mut is_before = 0;
    // SAFETY: the context is the one that the unwinder has just passed.
    let address = unsafe { _Unwind_GetIPInfo(context, &raw mut is_before) };
    let Some(place) = taken.room.get_mut(taken.count) else { return STOP };
    if address == 0 {
        return STOP;
    }
    // As if it were an address to return to, which lies behind the call: a signal interrupts before an instruction.
    *place = address + usize::from(is_before != 0);
    taken.count += 1;
    GO_ON
}
