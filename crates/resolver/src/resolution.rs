//! The modules that a request is about, in order.

use hoist_core::{LeftOut, Module, SelectionReason};

/// The modules that a request is about.
#[derive(Debug, Clone)]
pub struct Resolution<'c> {
    /// Each behind all it needs; otherwise by name.
    pub modules: Vec<Resolved<'c>>,
    /// Those that `--skip` left out, by name.
    pub left_out: Vec<LeftOut>,
}

/// One module of a resolution.
#[derive(Debug, Clone)]
pub struct Resolved<'c> {
    /// The module.
    pub module: &'c Module,
    /// Why it is here.
    pub wanted: SelectionReason,
    /// What it needs, as indexes into the resolution.
    pub needs: Vec<usize>,
    /// What only has to be done ahead of it, as indexes into the resolution.
    pub after: Vec<usize>,
}
