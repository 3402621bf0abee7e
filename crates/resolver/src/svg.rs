//! The dependency graph as a picture. As in the other formats, arrows lead from left to right, from
//! a module to its dependencies.

use std::fmt::Write as _;

use hoist_core::Tier;

use crate::resolution::Resolution;

const ROW: f64 = 40.0;
const HEIGHT: f64 = 26.0;
const GAP: f64 = 60.0;
const MARGIN: f64 = 16.0;
/// Room above the modules of a tier for its name.
const TITLE: f64 = 26.0;
/// Height of the legend, and width of one of its entries.
const LEGEND: (f64, f64) = (44.0, 110.0);
/// The width of a character of the font, near enough.
const CHARACTER: f64 = 7.4;

/// Graphs with more modules than this have their modules in groups by tier.
pub(crate) const LARGE: usize = 40;

/// Lines over more columns go straight: giving each a place in every column would take more room
/// than the modules.
const LONGEST: usize = 24;

/// A module, or a place where a long line goes between modules.
struct Spot {
    module: Option<usize>,
    /// Counted from the right, where modules without dependencies are.
    column: usize,
    row: f64,
    /// The spots at the right that lines lead to.
    to: Vec<usize>,
    /// The group of the spot, from the top.
    group: usize,
}

/// A group of modules with its name and rows.
struct Group {
    name: &'static str,
    first: f64,
    rows: f64,
}

/// Draws a resolution.
pub(crate) fn svg(resolution: &Resolution<'_>) -> String {
    let is_large = resolution.modules.len() > LARGE;
    let (spots, groups) = place(resolution, is_large);
    let widths = column_widths(resolution, &spots);
    let columns = widths.len();
    // From the right to the left.
    let total = widths.iter().sum::<f64>() + GAP * columns.saturating_sub(1) as f64 + 2.0 * MARGIN;
    let total = total.max(4.0 * LEGEND.1 + 2.0 * MARGIN);
    let right_edges: Vec<f64> = widths
        .iter()
        .scan(total - MARGIN, |x, width| {
            Some(std::mem::replace(x, *x - width - GAP))
        })
        .collect();
    let left = |spot: &Spot| right_edges[spot.column] - widths[spot.column];
    // Each group has a title above it.
    let title_room = |group: usize| {
        if is_large {
            TITLE * (group + 1) as f64
        } else {
            0.0
        }
    };
    let middle = |spot: &Spot| MARGIN + title_room(spot.group) + spot.row * ROW + ROW / 2.0;
    let rows = groups.iter().map(|group| group.rows).sum::<f64>();
    let bottom = MARGIN + title_room(groups.len().saturating_sub(1)) + rows * ROW + MARGIN;
    let height = bottom + LEGEND.0;
    let count = resolution.modules.len();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {total:.0} {height:.0}\" width=\"{total:.0}\" height=\"{height:.0}\" role=\"img\" \
         aria-label=\"{count} modules and their dependencies\" font-family=\"sans-serif\" font-size=\"13\">\n<style>\n{STYLE}</style>\n{ARROW}"
    );
    for (number, group) in groups.iter().enumerate().filter(|_| is_large) {
        let y = MARGIN + title_room(number) - TITLE + group.first * ROW;
        let _ = writeln!(
            text,
            "<rect class=\"group\" x=\"4\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"8\"/><text x=\"{MARGIN}\" y=\"{:.1}\">{}</text>",
            total - 8.0,
            group.rows * ROW + TITLE - 4.0,
            y + 18.0,
            group.name
        );
    }
    for spot in &spots {
        for to in spot.to.iter().map(|to| &spots[*to]) {
            let (x1, x2) = (right_edges[spot.column], left(to));
            let (y1, y2) = (middle(spot), middle(to));
            let bend = (x2 - x1) / 2.0;
            // Through a column that the line only passes it goes straight.
            let through = if spot.module.is_none() {
                format!("M{:.1} {y1:.1}H{x1:.1}", left(spot))
            } else {
                format!("M{x1:.1} {y1:.1}")
            };
            let arrow = if to.module.is_some() {
                " marker-end=\"url(#arrow)\""
            } else {
                ""
            };
            let _ = writeln!(
                text,
                "<path d=\"{through}C{:.1} {y1:.1} {:.1} {y2:.1} {x2:.1} {y2:.1}\"{arrow}/>",
                x1 + bend,
                x2 - bend
            );
        }
    }
    for (spot, module) in spots
        .iter()
        .filter_map(|spot| Some((spot, resolution.modules[spot.module?].module)))
    {
        let (name, summary) = (escaped(module.id.as_str()), escaped(&module.summary));
        let (x, y) = (left(spot), middle(spot) - HEIGHT / 2.0);
        text += &node(
            module.tier,
            (x, y, widths[spot.column]),
            &name,
            &format!("<title>{name}: {summary}</title>"),
        );
    }
    text + &legend(bottom) + "</svg>\n"
}

fn node(tier: Tier, (x, y, width): (f64, f64, f64), name: &str, title: &str) -> String {
    format!(
        "<g class=\"{}\">{title}<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" rx=\"6\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text></g>\n",
        tier.as_str(),
        x + width / 2.0,
        y + 17.5
    )
}

/// What the kinds of boxes and the arrows mean.
fn legend(top: f64) -> String {
    let tiers = [Tier::Core, Tier::Default, Tier::Optional];
    let place = |number: usize| MARGIN + number as f64 * LEGEND.1;
    let boxes: String = tiers
        .iter()
        .enumerate()
        .map(|(number, tier)| node(*tier, (place(number), top + 4.0, 80.0), tier.as_str(), ""))
        .collect();
    let (x, y) = (place(tiers.len()), top + 4.0 + HEIGHT / 2.0);
    format!(
        "<g class=\"legend\">\n{boxes}<path d=\"M{x:.1} {y:.1}h30\" marker-end=\"url(#arrow)\"/><text x=\"{:.1}\" y=\"{:.1}\">depends on</text>\n</g>\n",
        x + 38.0,
        y + 4.5
    )
}

const ARROW: &str = "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\
<path class=\"head\" d=\"M0 0 8 4 0 8z\"/></marker></defs>\n";

const STYLE: &str = "rect{fill:#f4f6f8;stroke:#66788a}path{fill:none;stroke:#9aa7b4}.head{fill:#66788a;stroke:none}text{fill:#16202a}\
.core rect{stroke-width:2.5}.optional rect{stroke-dasharray:5 3}.group{fill:none;stroke:#d0d7de}\n\
@media(prefers-color-scheme:dark){rect{fill:#1f2933;stroke:#8fa3b5}path{stroke:#5c6d7d}.head{fill:#8fa3b5}text{fill:#e6edf3}.group{stroke:#3b4652}}\n";

/// Gives each module a column for the longest way to a module without dependencies, and in it a row
/// next to those of its dependencies.
fn place(resolution: &Resolution<'_>, is_grouped: bool) -> (Vec<Spot>, Vec<Group>) {
    let group_of = |at: usize| match resolution.modules[at].module.tier {
        _ if !is_grouped => 0,
        Tier::Core => 0,
        Tier::Default => 1,
        Tier::Optional => 2,
    };
    let mut spots: Vec<Spot> = Vec::with_capacity(resolution.modules.len());
    for (at, resolved) in resolution.modules.iter().enumerate() {
        // Dependencies come before the modules that depend on them.
        let column = resolved
            .needs
            .iter()
            .filter_map(|need| spots.get(*need))
            .map(|spot| spot.column + 1)
            .max()
            .unwrap_or(0);
        spots.push(Spot {
            module: Some(at),
            column,
            row: 0.0,
            to: Vec::new(),
            group: group_of(at),
        });
    }
    for (at, resolved) in resolution.modules.iter().enumerate() {
        for need in &resolved.needs {
            let mut to = *need;
            if spots[at].column - spots[*need].column > LONGEST {
                spots[at].to.push(to);
                continue;
            }
            for column in spots[*need].column + 1..spots[at].column {
                spots.push(Spot {
                    module: None,
                    column,
                    row: 0.0,
                    to: vec![to],
                    group: group_of(at),
                });
                to = spots.len() - 1;
            }
            spots[at].to.push(to);
        }
    }
    let columns = spots
        .iter()
        .map(|spot| spot.column)
        .max()
        .map_or(0, |last| last + 1);
    let names = if is_grouped {
        vec!["core", "default", "optional"]
    } else {
        vec![""]
    };
    let mut groups: Vec<Group> = names
        .into_iter()
        .map(|name| Group {
            name,
            first: 0.0,
            rows: 0.0,
        })
        .collect();
    let mut first = 0.0;
    for (number, group) in groups.iter_mut().enumerate() {
        let in_column = |column: usize| {
            spots
                .iter()
                .filter(|spot| spot.group == number && spot.column == column)
                .count()
        };
        group.first = first;
        group.rows = (0..columns).map(in_column).max().unwrap_or(0) as f64;
        first += group.rows;
    }
    for column in 0..columns {
        for (number, group) in groups.iter().enumerate() {
            let wish = |spot: &Spot| match spot.to.len() {
                0 => f64::MAX,
                count => spot.to.iter().map(|to| spots[*to].row).sum::<f64>() / count as f64,
            };
            let is_member = |at: &usize| spots[*at].column == column && spots[*at].group == number;
            let mut members: Vec<(f64, usize)> = (0..spots.len())
                .filter(is_member)
                .map(|at| (wish(&spots[at]), at))
                .collect();
            members.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            members
                .iter()
                .enumerate()
                .for_each(|(row, (_, at))| spots[*at].row = group.first + row as f64);
        }
    }
    (spots, groups)
}

fn column_widths(resolution: &Resolution<'_>, spots: &[Spot]) -> Vec<f64> {
    let columns = spots.iter().map(|spot| spot.column + 1).max().unwrap_or(0);
    let mut widths = vec![60.0f64; columns];
    for (spot, resolved) in spots
        .iter()
        .filter_map(|spot| Some((spot, &resolution.modules[spot.module?])))
    {
        let width = resolved.module.id.as_str().chars().count() as f64 * CHARACTER + 20.0;
        widths[spot.column] = widths[spot.column].max(width);
    }
    widths
}

fn escaped(text: &str) -> String {
    let plain = text.chars().filter(|c| !hoist_core::is_unprintable(*c));
    plain
        .collect::<String>()
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
