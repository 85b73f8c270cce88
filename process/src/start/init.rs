//! [`init`]: the point where a program finds out whether it is a child.

use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use procession_core::os::exit;
use procession_core::os::signal::{self, Disposition};
use procession_core::os::stdio;
use procession_core::{Control, start};

use super::protocol::Role;
use super::serve::serve;
use crate::child::{self, ExitStyle};
use crate::spawn_error::SpawnError;

/// Whether [`init`] was called in this process. It is set once and never cleared; copies have it from the server.
static INITIALIZED: AtomicBool = AtomicBool::new(false);

/// Makes this program able to start processes. Put it first in `main`.
///
/// A child is this very program, started once more. In a child, `init` runs the child's function and never returns; in any
/// other process it returns at once. Code before it runs in every child as well, so that there should be none; above all,
/// no thread should be started before it.
///
/// Starting a process without it is an error that says so, before anything is executed.
///
/// In tests, benchmarks and libraries, which have no `main` of their own, use
/// [`init_at_load!`](crate::init_at_load) instead.
///
/// ```
/// use procession_process::Process;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     procession_process::init();
///     let square = Process::spawn(|n: u64| n * n, 12)?;
///     assert_eq!(square.join()?, 144);
///     Ok(())
/// }
/// ```
#[doc(alias = "freeze_support")]
#[doc(alias = "__main__")]
pub fn init() {
    // Relaxed: it publishes nothing, and a thread that starts processes was itself started after this.
    // Before the look for a parent: a child does not come back from it, and its function may start processes as well.
    INITIALIZED.store(true, Ordering::Relaxed);
    match start::inherited() {
        Ok(None) => {}
        Ok(Some(control)) => become_child(control),
        Err(error) => {
            eprintln!("procession: this process was started as a child, but cannot be one: {error}");
            // Never back into `main`: there this child would do its parent's work once more, and start children of its own.
            process::exit(1);
        }
    }
}

/// Goes on as what the first message says: a child or a server. Of the program only what stands before `init` has run.
fn become_child(mut control: Control) -> ! {
    // The kernel calls it `exe`, after the link that was executed.
    let program = std::env::args_os().next().map(PathBuf::from);
    // For `ps` and `top`; without a name the child goes on all the same.
    if let Some(name) = program.as_deref().and_then(Path::file_name) {
        let _unnamed = signal::set_process_name(&name.to_string_lossy());
    }
    // The runtime has done so if `main` has been reached, but not yet in a constructor.
    let _known_signal = signal::set(signal::SIGPIPE, Disposition::Ignore);
    match control.recv::<Role>(None) {
        Ok(Some(Role::Child)) => {
            // Output from before `init` goes to the null device now, and would be printed again when the streams are set.
            stdio::flush_all();
            child::receive(control, ExitStyle::AsProgram)
        }
        Ok(Some(Role::Server(image, lifeline))) => serve(control, &image, lifeline.into()),
        // The parent is gone, or runs another version: it sees the end of the link.
        Ok(None) | Err(_) => exit::exit_now(1),
    }
}

/// Checks that processes may be started.
pub(crate) fn require() -> Result<(), SpawnError> {
    if INITIALIZED.load(Ordering::Relaxed) { Ok(()) } else { Err(SpawnError::NotInitialized) }
}

/// Makes this process ignore Ctrl-C: its parent decides what an interrupt means.
///
/// This is for workers: the terminal interrupts the whole group, and each would otherwise end in the middle of its work.
///
/// ```
/// # use procession_process::{Process, ignore_interrupt};
/// # procession_process::init();
/// let deaf = Process::spawn(|()| {
///     ignore_interrupt();
///     // Work that a Ctrl-C does not end.
/// }, ())?;
/// deaf.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn ignore_interrupt() {
    let _known_signal = signal::set(signal::SIGINT, Disposition::Ignore);
}

/// Does what [`init`](crate::init) does when the program is loaded, before `main`: one line at the top of a test file, a benchmark
/// or a library whose callers should need no line of their own.
///
/// It adds one function to the program's load-time constructors (`.init_array`). In a child that function first runs the
/// constructors that stand after it, so that what other crates have registered there (`inventory`, `typetag`, objects of C++)
/// is there for the child's function. Two things are not, because they come with `main`: the main thread of a child has no
/// name, and an overflow of its stack is a bare SIGSEGV, without std's message.
///
/// ```
/// procession_process::init_at_load!();
///
/// // In a test file this is a `#[test]`.
/// fn adds() {
///     let sum = procession_process::Process::spawn(|(a, b): (u8, u8)| a + b, (1, 2)).unwrap();
///     assert_eq!(sum.join().unwrap(), 3);
/// }
/// # fn main() { adds() }
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
