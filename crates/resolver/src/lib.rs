//! From a catalog of modules, a request and what is installed to a plan.
//!
//! Two pure steps, with a look at the machine by the caller between them: [`resolve`] says which
//! modules a request is about, in an order in which each stands behind all it needs; [`plan`] says
//! what happens to each.

mod change;
mod closure;
mod cycle;
mod draw;
mod resolution;
mod select;
mod svg;
mod wanted;

pub use change::plan;
pub use closure::{check, cycles_of as cycles};
pub use draw::{Drawing, draw};
pub use resolution::{Resolution, Resolved};
pub use wanted::wanted;

use hoist_core::{Catalog, Diagnostic, Installed, Request};

/// Selects modules, adds what they need, and orders them. Every mistake of the request and of the
/// modules it touches is in the error: unknown names, broken manifests, missing requirements,
/// cycles, a core module that would be left out.
pub fn resolve<'c>(
    catalog: &'c Catalog,
    installed: &Installed,
    request: &Request,
) -> Result<Resolution<'c>, Vec<Diagnostic>> {
    let selected = select::select(catalog, installed, request)?;
    closure::close(catalog, installed, selected, request)
}
