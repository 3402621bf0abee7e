//! The graph of requirements as a picture: what needs nothing stands at the left, everything else to the right of all it needs.

use std::fmt::Write as _;

use hoist_core::Tier;

use crate::Resolution;

const ROW: f64 = 40.0;
const HEIGHT: f64 = 26.0;
const GAP: f64 = 60.0;
const MARGIN: f64 = 16.0;
/// The width of a character of the font, near enough.
const CHARACTER: f64 = 7.4;

/// Lines over more columns go straight: giving each a place in every column would take more room than the modules.
const LONGEST: usize = 24;

/// A module, or a place where a long line goes between modules.
struct Spot {
    module: Option<usize>,
    column: usize,
    row: f64,
    /// The spots at the left that lines come from.
    from: Vec<usize>,
}

/// Draws a resolution.
pub(crate) fn svg(resolution: &Resolution<'_>) -> String {
    let spots = place(resolution);
    let widths = column_widths(resolution, &spots);
    let left: Vec<f64> = widths.iter().scan(MARGIN, |x, width| Some(std::mem::replace(x, *x + width + GAP))).collect();
    let total = left.last().zip(widths.last()).map_or(2.0 * MARGIN, |(left, width)| left + width + MARGIN);
    let rows = spots.iter().map(|spot| spot.row).fold(0.0, f64::max) + 1.0;
    let height = rows * ROW + 2.0 * MARGIN;
    let count = resolution.modules.len();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {total:.0} {height:.0}\" width=\"{total:.0}\" height=\"{height:.0}\" role=\"img\" \
         aria-label=\"{count} modules and what they need\" font-family=\"sans-serif\" font-size=\"13\">\n<style>\n{STYLE}</style>\n"
    );
    let middle = |spot: &Spot| MARGIN + spot.row * ROW + ROW / 2.0;
    for spot in &spots {
        for from in spot.from.iter().map(|from| &spots[*from]) {
            let (x1, x2) = (left[from.column] + widths[from.column], left[spot.column]);
            let (y1, y2) = (middle(from), middle(spot));
            let bend = (x2 - x1) / 2.0;
            // Through a column that the line only passes it goes straight.
            let through = if spot.module.is_none() { format!("h{:.1}", widths[spot.column]) } else { String::new() };
            let _ =
                writeln!(text, "<path d=\"M{x1:.1} {y1:.1}C{:.1} {y1:.1} {:.1} {y2:.1} {x2:.1} {y2:.1}{through}\"/>", x1 + bend, x2 - bend);
        }
    }
    for (spot, module) in spots.iter().filter_map(|spot| Some((spot, resolution.modules[spot.module?].module))) {
        let (x, y, width) = (left[spot.column], middle(spot) - HEIGHT / 2.0, widths[spot.column]);
        let class = match module.tier {
            Tier::Core => "core",
            Tier::Default => "default",
            Tier::Optional => "optional",
        };
        let (name, summary) = (escaped(module.id.as_str()), escaped(&module.summary));
        let _ = writeln!(
            text,
            "<g class=\"{class}\"><title>{name}: {summary}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" rx=\"6\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text></g>",
            x + width / 2.0,
            y + 17.5
        );
    }
    text + "</svg>\n"
}

const STYLE: &str = "rect{fill:#f4f6f8;stroke:#66788a}path{fill:none;stroke:#9aa7b4}text{fill:#16202a}.core rect{stroke-width:2.5}\
.optional rect{stroke-dasharray:5 3}\n@media(prefers-color-scheme:dark){rect{fill:#1f2933;stroke:#8fa3b5}path{stroke:#5c6d7d}text{fill:#e6edf3}}\n";

/// A column for the longest way to something that needs nothing; in it, beside what lines come from.
fn place(resolution: &Resolution<'_>) -> Vec<Spot> {
    let mut spots: Vec<Spot> = Vec::with_capacity(resolution.modules.len());
    for (at, resolved) in resolution.modules.iter().enumerate() {
        // What is needed stands before what needs it.
        let column = resolved.needs.iter().filter_map(|need| spots.get(*need)).map(|spot| spot.column + 1).max().unwrap_or(0);
        spots.push(Spot { module: Some(at), column, row: 0.0, from: Vec::new() });
    }
    for (at, resolved) in resolution.modules.iter().enumerate() {
        for need in &resolved.needs {
            let mut from = *need;
            if spots[at].column - spots[*need].column > LONGEST {
                spots[at].from.push(from);
                continue;
            }
            for column in spots[*need].column + 1..spots[at].column {
                spots.push(Spot { module: None, column, row: 0.0, from: vec![from] });
                from = spots.len() - 1;
            }
            spots[at].from.push(from);
        }
    }
    let columns = spots.iter().map(|spot| spot.column).max().map_or(0, |last| last + 1);
    for column in 0..columns {
        let wish = |spot: &Spot| match spot.from.len() {
            0 => f64::MAX,
            count => spot.from.iter().map(|from| spots[*from].row).sum::<f64>() / count as f64,
        };
        let mut members: Vec<(f64, usize)> =
            (0..spots.len()).filter(|at| spots[*at].column == column).map(|at| (wish(&spots[at]), at)).collect();
        members.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        members.iter().enumerate().for_each(|(row, (_, at))| spots[*at].row = row as f64);
    }
    spots
}

fn column_widths(resolution: &Resolution<'_>, spots: &[Spot]) -> Vec<f64> {
    let columns = spots.iter().map(|spot| spot.column + 1).max().unwrap_or(0);
    let mut widths = vec![60.0f64; columns];
    for (spot, resolved) in spots.iter().filter_map(|spot| Some((spot, &resolution.modules[spot.module?]))) {
        let width = resolved.module.id.as_str().chars().count() as f64 * CHARACTER + 20.0;
        widths[spot.column] = widths[spot.column].max(width);
    }
    widths
}

fn escaped(text: &str) -> String {
    let plain = text.chars().filter(|c| !hoist_core::is_unprintable(*c));
    plain.collect::<String>().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
