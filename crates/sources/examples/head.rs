//! Shows what a README says at its head: `cargo run --example head -- README.md`.

use hoist_sources::readme::head;

fn main() -> std::io::Result<()> {
    let text = match std::env::args_os().nth(1) {
        Some(path) => std::fs::read_to_string(path)?,
        None => "---\nsummary: An example\nlabels:\n- Stage-Beta\n---\nText".to_owned(),
    };
    let read = head(&text);
    let mut out = std::io::stdout().lock();
    use std::io::Write;
    writeln!(
        out,
        "summary: {}\nlabels: {}",
        read.summary.unwrap_or_default(),
        read.labels.join(", ")
    )
}
