//! The tests of listeners, clients and socket connections, in one program. C12 to C17 and P-39 name items of Python's surface.

procession_process::init_at_load!();

mod carrying;
mod cut_off;
mod hostile;
mod places;
mod python;
mod support;
mod talking;
