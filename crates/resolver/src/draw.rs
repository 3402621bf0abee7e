//! The graph of requirements as text for drawing programs.

use std::fmt::Write as _;

use hoist_core::{Module, Tier};

use crate::{Resolution, svg};

/// A language for drawing graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawing {
    /// Graphviz.
    Dot,
    /// Mermaid, as public forges show it.
    Mermaid,
    /// A picture that any browser shows.
    Svg,
}

/// Draws a resolution; arrows lead from a module to what it needs.
pub fn draw(resolution: &Resolution<'_>, drawing: Drawing) -> String {
    if drawing == Drawing::Svg {
        return svg::svg(resolution);
    }
    let mut text = match drawing {
        Drawing::Dot => "digraph modules {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n".to_owned(),
        Drawing::Mermaid | Drawing::Svg => "graph LR\n".to_owned(),
    };
    let modules: Vec<&Module> = resolution.modules.iter().map(|resolved| resolved.module).collect();
    for (at, module) in modules.iter().enumerate() {
        let _ = match (drawing, module.tier) {
            (Drawing::Dot, Tier::Core) => writeln!(text, "  \"{}\" [style=\"rounded,bold\"];", module.id),
            (Drawing::Dot, Tier::Default) => writeln!(text, "  \"{}\";", module.id),
            (Drawing::Dot, Tier::Optional) => writeln!(text, "  \"{}\" [style=\"rounded,dashed\"];", module.id),
            (_, Tier::Core) => writeln!(text, "  m{at}[[\"{}\"]]", module.id),
            (_, Tier::Default) => writeln!(text, "  m{at}[\"{}\"]", module.id),
            (_, Tier::Optional) => writeln!(text, "  m{at}([\"{}\"])", module.id),
        };
    }
    for (at, resolved) in resolution.modules.iter().enumerate() {
        for need in &resolved.needs {
            let _ = match drawing {
                Drawing::Dot => writeln!(text, "  \"{}\" -> \"{}\";", modules[at].id, modules[*need].id),
                Drawing::Mermaid | Drawing::Svg => writeln!(text, "  m{at} --> m{need}"),
            };
        }
    }
    if drawing == Drawing::Dot {
        text.push_str("}\n");
    }
    text
}
