//! [`init`]: where a program finds out whether it is an agent, or a child.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::agent::run::run_if_agent;
use crate::api::error::HostsError;

/// Whether [`init`] was called in this process. It is set once and never cleared.
static INITIALIZED: AtomicBool = AtomicBool::new(false);

/// Makes this program able to start processes, here and on other hosts. Put it first in `main`.
///
/// It does what [`procession_process::init`] does, and is needed in its place in programs whose pools have hosts: an agent is this very
/// program, started on another host. There, as in a child, `init` never returns.
///
/// In tests, benchmarks and libraries, which have no `main` of their own, use [`init_at_load!`](crate::init_at_load) instead.
///
/// ```
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     procession_hosts::init();
///     // Neither an agent nor a worker gets here.
///     Ok(())
/// }
/// ```
pub fn init() {
    // Relaxed: it publishes nothing, and a thread that makes a pool was itself started after this.
    // Before the look for a parent: a child does not come back from it, and its function may make pools as well.
    INITIALIZED.store(true, Ordering::Relaxed);
    // A child comes first: it must not take the mark of its parent for its own.
    procession_process::init();
    run_if_agent();
}

/// Checks that agents know themselves. One that did not would go on in `main`, and start agents of its own.
pub(crate) fn require() -> Result<(), HostsError> {
    // Relaxed: as above.
    if INITIALIZED.load(Ordering::Relaxed) { Ok(()) } else { Err(HostsError::NotInitialized) }
}

/// Does what [`init`](crate::init) does when the program is loaded, before `main`: one line at the top of a test file, a benchmark
/// or a library whose callers should need no line of their own.
///
/// [`procession_process::init_at_load!`] says what differs from `init`.
///
/// ```
/// procession_hosts::init_at_load!();
///
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! init_at_load {
    () => {
        const _: () = {
            #[used]
            #[unsafe(link_section = ".init_array")]
            static INIT: $crate::__Constructor = {
                extern "C" fn init(
                    count: ::std::ffi::c_int,
                    arguments: *const *const ::std::ffi::c_char,
                    environment: *const *const ::std::ffi::c_char,
                ) {
                    // SAFETY: the loader calls the entry, which is the only way to this function, with these arguments.
                    if unsafe { $crate::__finish_loading(&INIT, count, arguments, environment) } {
                        $crate::__init_at_load();
                    }
                }
                init
            };
        };
    };
}

/// Is called by the constructor of [`init_at_load!`](crate::init_at_load).
#[doc(hidden)]
pub fn __init_at_load() {
    init();
}
