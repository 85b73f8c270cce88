//! The constructors of this program (`.init_array`): those that the loader would run after ours are run first in a child, which
//! never comes back to the loader.

use std::ffi::{c_char, c_int};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::code::image;
use crate::code::start;

/// One entry of `.init_array`: what the loader calls with the program's arguments and environment.
///
/// ```
/// use procession_core::constructors::Constructor;
///
/// let nothing: Constructor = {
///     extern "C" fn nothing(
///         _: std::ffi::c_int,
///         _: *const *const std::ffi::c_char,
///         _: *const *const std::ffi::c_char,
///     ) {
///     }
///     nothing
/// };
/// nothing(0, std::ptr::null(), std::ptr::null());
/// ```
pub type Constructor = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

/// Readies a child whose life is about to begin in the constructor at `own`: runs those that stand after it, whose objects the
/// child's function may need. Returns whether that life may begin; in a process that is no child, it does nothing.
///
/// `false` in a constructor that another one runs in this way.
///
/// # Safety
///
/// The loader has called the entry at `own`, and with these arguments.
///
/// ```standalone_crate
/// use procession_core::constructors::{Constructor, finish_loading};
/// use std::ffi::{c_char, c_int};
///
/// #[used]
/// #[unsafe(link_section = ".init_array")]
/// static OWN: Constructor = {
///     extern "C" fn begin(count: c_int, arguments: *const *const c_char, environment: *const *const c_char) {
///         // SAFETY: the loader calls this, and no other code can.
///         assert!(unsafe { finish_loading(&OWN, count, arguments, environment) });
///     }
///     begin
/// };
/// # fn main() {}
/// ```
pub unsafe fn finish_loading(
    own: &'static Constructor,
    count: c_int,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> bool {
    // SAFETY: the caller answers for all of it.
    !start::is_child() || unsafe { run_later(own, count, arguments, environment) }
}

/// Does what [`finish_loading`] does in an agent as well: for programs that become agents, and never return from it.
///
/// # Safety
///
/// As for [`finish_loading`].
///
/// ```standalone_crate
/// use procession_core::constructors::{Constructor, finish_loading_of_agent};
/// use std::ffi::{c_char, c_int};
///
/// #[used]
/// #[unsafe(link_section = ".init_array")]
/// static OWN: Constructor = {
///     extern "C" fn begin(count: c_int, arguments: *const *const c_char, environment: *const *const c_char) {
///         // SAFETY: the loader calls this, and no other code can.
///         assert!(unsafe { finish_loading_of_agent(&OWN, count, arguments, environment) });
///     }
///     begin
/// };
/// # fn main() {}
/// ```
pub unsafe fn finish_loading_of_agent(
    own: &'static Constructor,
    count: c_int,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> bool {
    // SAFETY: the caller answers for all of it.
    !(start::is_child() || start::is_agent()) || unsafe { run_later(own, count, arguments, environment) }
}

/// Runs the constructors that stand after `own`.
///
/// # Safety
///
/// As for [`finish_loading`], and this process never returns from the constructor at `own`.
unsafe fn run_later(
    own: &'static Constructor,
    count: c_int,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> bool {
    static RUNNING: AtomicBool = AtomicBool::new(false);
    // Among the constructors that are run below may be another copy of this one, which must not run them all again.
    if RUNNING.swap(true, Ordering::Relaxed) {
        return false;
    }
    for later in after(own) {
        // What tools leave in place of an entry that they have removed.
        if *later != 0 && *later != usize::MAX {
            // SAFETY: the entries of the array are constructors, and this one has not been called: the loader goes through them in
            // order and is at `own`, to which a child never returns. Thus each is called once, on this thread, as by the loader.
            let constructor = unsafe { std::mem::transmute::<usize, Constructor>(*later) };
            constructor(count, arguments, environment);
        }
    }
    true
}

/// The entries that stand after `own`; none where `own` is not one of this program's own.
fn after(own: &'static Constructor) -> &'static [usize] {
    let all = image::constructors();
    let distance = (std::ptr::from_ref(own) as usize).checked_sub(all.as_ptr() as usize);
    distance.and_then(|bytes| all.get(bytes / size_of::<usize>() + 1..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    extern "C" fn nothing(_: c_int, _: *const *const c_char, _: *const *const c_char) {}

    #[used]
    // SAFETY: it does nothing.
    #[unsafe(link_section = ".init_array")]
    static ENTRY: Constructor = nothing;

    static ELSEWHERE: Constructor = nothing;

    #[test]
    fn an_entry_of_the_program_is_found_among_its_constructors() {
        let all = image::constructors();
        let at =
            all.iter().position(|one| *one == nothing as Constructor as usize).expect("the linker has put it there");
        assert_eq!(after(&ENTRY), &all[at + 1..]);
        assert!(after(&ELSEWHERE).is_empty());
    }
}
