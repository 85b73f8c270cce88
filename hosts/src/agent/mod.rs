//! The agent: what this program is on another host.

pub(crate) mod invited;
pub(crate) mod joining;
pub(crate) mod mark;
pub(crate) mod run;
