//! The graph of requirements as text for drawing programs.

use std::fmt::Write as _;

use hoist_core::{Module, Tier};

use crate::resolution::Resolution;
use crate::svg;

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

/// Draws a resolution; arrows lead from a module to its dependencies. Modules of large graphs are
/// in groups by tier.
pub fn draw(resolution: &Resolution<'_>, drawing: Drawing) -> String {
    if drawing == Drawing::Svg {
        return svg::svg(resolution);
    }
    let mut text = match drawing {
        Drawing::Dot => "digraph modules {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n".to_owned(),
        Drawing::Mermaid | Drawing::Svg => "graph LR\n".to_owned(),
    };
    let modules: Vec<&Module> = resolution
        .modules
        .iter()
        .map(|resolved| resolved.module)
        .collect();
    let is_large = modules.len() > svg::LARGE;
    for tier in [Tier::Core, Tier::Default, Tier::Optional] {
        let members: Vec<usize> = (0..modules.len())
            .filter(|at| modules[*at].tier == tier)
            .collect();
        if members.is_empty() {
            continue;
        }
        let indent = if is_large { "    " } else { "  " };
        let _ = match drawing {
            _ if !is_large => Ok(()),
            Drawing::Dot => writeln!(
                text,
                "  subgraph cluster_{tier} {{\n    label=\"{tier}\"; color=gray;"
            ),
            Drawing::Mermaid | Drawing::Svg => writeln!(text, "  subgraph {tier}"),
        };
        for at in members {
            let id = &modules[at].id;
            let _ = match (drawing, tier) {
                (Drawing::Dot, Tier::Core) => {
                    writeln!(text, "{indent}\"{id}\" [style=\"rounded,bold\"];")
                }
                (Drawing::Dot, Tier::Default) => writeln!(text, "{indent}\"{id}\";"),
                (Drawing::Dot, Tier::Optional) => {
                    writeln!(text, "{indent}\"{id}\" [style=\"rounded,dashed\"];")
                }
                (_, Tier::Core) => writeln!(text, "{indent}m{at}[[\"{id}\"]]"),
                (_, Tier::Default) => writeln!(text, "{indent}m{at}[\"{id}\"]"),
                (_, Tier::Optional) => writeln!(text, "{indent}m{at}([\"{id}\"])"),
            };
        }
        let _ = match drawing {
            _ if !is_large => Ok(()),
            Drawing::Dot => writeln!(text, "  }}"),
            Drawing::Mermaid | Drawing::Svg => writeln!(text, "  end"),
        };
    }
    for (at, resolved) in resolution.modules.iter().enumerate() {
        for need in &resolved.needs {
            let _ = match drawing {
                Drawing::Dot => writeln!(
                    text,
                    "  \"{}\" -> \"{}\";",
                    modules[at].id, modules[*need].id
                ),
                Drawing::Mermaid | Drawing::Svg => writeln!(text, "  m{at} --> m{need}"),
            };
        }
    }
    if drawing == Drawing::Dot {
        text.push_str("}\n");
    }
    text
}
