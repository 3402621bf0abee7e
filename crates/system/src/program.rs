//! Programs that methods and sources run.

use hoist_core::Diagnostic;
use hoist_machine::machine::Machine;

/// A program that a method or a source runs.
#[derive(Debug)]
pub struct RequiredProgram {
    /// What messages call it.
    pub name: &'static str,
    /// Finds it on a machine. Returns its path, or its name where it has several.
    pub find: fn(&Machine) -> Option<String>,
    /// What is wrong where it is not there, for methods that cannot do without it and that nothing
    /// of a run brings.
    pub missing: Option<fn(&Machine) -> Diagnostic>,
}

impl RequiredProgram {
    /// A program that is found by one name on `PATH`. `find` finds it.
    pub const fn new(name: &'static str, find: fn(&Machine) -> Option<String>) -> Self {
        Self {
            name,
            find,
            missing: None,
        }
    }
}
