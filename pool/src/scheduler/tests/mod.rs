//! The scheduler in a made-up world: random histories, and cases that matter.

mod cases;
mod history;
mod host;
mod sizes;
mod world;
