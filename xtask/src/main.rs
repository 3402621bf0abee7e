//! The repository's own tasks: `cargo xtask TASK`.

mod bench;
mod ci;
mod compiler;
mod demo;
mod dist;
mod figures;
mod fuzz;
mod lint;
mod run;
mod syntax;
mod test;
mod tidy;
mod words;

use std::process::ExitCode;

const USAGE: &str = "cargo xtask TASK

  ci      what continuous integration runs: lint, tidy, test, docs; takes the options of test
  lint    formatting, clippy, and cargo-deny where it is installed
  test    installs what the tests need (Debian packages, as root) and runs those with a given word in their names, or all
            --full    also what is only sampled otherwise, such as the points at which hoist is killed
            --record  writes how long tests took to tests/durations.txt; the longest start first
  tidy    compares the crates with docs/architecture.md, and the tests with the feature table
            --figures  prints figures of the structure of the code instead
  dist    builds a statically linked hoist, for hosts with another C library
  demo    installs examples/workstation into a home directory of its own, and shows it
  fuzz    runs the four fuzz targets, each for the given number of seconds (30); needs cargo-fuzz
  bench   measures hoist against its peers; words choose rows
";

#[expect(clippy::print_stderr, reason = "the tasks are programs for people")]
fn main() -> ExitCode {
    if let Some(compiled) = compiler::run() {
        return compiled.unwrap_or_else(|error| {
            eprintln!("xtask as compiler: {error:#}");
            ExitCode::FAILURE
        });
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = arguments
        .split_first()
        .map_or(("help", &[][..]), |(task, rest)| (task.as_str(), rest));
    let done = match task {
        "ci" => ci::run(rest),
        "lint" => lint::run(),
        "test" => test::run(rest),
        "tidy" if rest.iter().any(|option| option == "--figures") => figures::run(),
        "tidy" => tidy::run(),
        "demo" => demo::run(),
        "dist" => dist::run(),
        "fuzz" => fuzz::run(rest),
        "bench" => bench::run(rest),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(if task == "help" { 0 } else { 2 });
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {task}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
