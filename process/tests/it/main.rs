//! The tests of processes with real processes, in one program. M01 to M23 and P01 to P20 name items of Python's surface.

procession_process::init_at_load!();

mod carrying;
mod constructors;
mod copies;
mod descriptors;
mod endings;
mod family;
mod forking;
mod functions;
mod hostile;
mod joining;
mod leaks;
mod panicking;
mod programs;
mod refusals;
mod rights;
mod seams;
mod streams;
mod support;
mod surroundings;
mod unsendable;
mod values;
