//! A group: systems that do the same work, and the unit in which they are compared.

use std::error::Error;

use serde::{Deserialize, Serialize};

use crate::options::Options;

/// What went wrong while measuring: the system failed, or its result was not the expected one.
pub type Failure = Box<dyn Error>;

/// Systems that are measured side by side.
#[derive(Debug)]
pub struct Group {
    /// What one types to choose it.
    pub name: &'static str,
    pub title: &'static str,
    pub unit: &'static str,
    /// The first one is ours: the others are compared with it.
    pub systems: &'static [System],
}

/// Something that can be measured.
#[derive(Debug)]
pub struct System {
    pub name: &'static str,
    /// Warms up, measures, and checks the results. Runs in a process of its own.
    pub measure: fn(Options) -> Result<Figure, Failure>,
}

/// What one run of one system found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// In the unit of the group.
    Value(f64),
    /// Why this machine cannot measure it.
    Skipped(String),
}

impl Group {
    /// The system of that name.
    ///
    /// # Errors
    ///
    /// When the group has none of that name.
    pub fn system(&self, name: &str) -> Result<&'static System, Failure> {
        let systems = self.systems;
        systems
            .iter()
            .find(|system| system.name == name)
            .ok_or_else(|| format!("group `{}` has no system `{name}`", self.name).into())
    }
}
