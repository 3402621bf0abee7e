//! `hoist init`: creates a collection.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hoist_core::Diagnostic;
use include_dir::{Dir, include_dir};
use serde_json::json;

use crate::args::Global;
use crate::error::{CommandError, ExitStatus};
use crate::ui::Output;
use crate::{collections, json, render, shipped};

static COLLECTION: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/scaffold/collection");

/// Placeholder for the name of the collection.
const NAME: &str = "COLLECTION_NAME";

/// Creates a collection in `directory`, by default the working directory. Existing files are kept.
pub(crate) fn run(global: &Global, directory: Option<&Path>) -> Result<ExitStatus, CommandError> {
    let root = std::path::absolute(directory.unwrap_or(Path::new(".")))?
        .components()
        .collect::<PathBuf>();
    let shown = directory.map_or_else(
        || ".".to_owned(),
        |directory| directory.display().to_string(),
    );
    let name = root.file_name().map_or_else(
        || "collection".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    if collections::is_collection(&root) {
        let error = Diagnostic::error("the directory is already a collection").file(shown);
        return Err(CommandError::wrong(
            error.help("create a module in it with `hoist new NAME`"),
        ));
    }
    let text = |path: &str, text: String| match path {
        // Any directory name is a YAML string in quotes.
        "hoist.yml" => text.replace(NAME, &serde_json::Value::from(name.as_str()).to_string()),
        _ => text.replace(NAME, &name),
    };
    let written = shipped::write_new(&COLLECTION, &root, &text)
        .map_err(|error| cannot_write(&shown, &error))?;
    if global.output == Output::Json {
        json::print(&json!({ "collection": root, "files": written }))?;
        return Ok(ExitStatus::Ok);
    }
    let mut output = format!("Created the collection {name} in {shown}:\n");
    written
        .iter()
        .for_each(|file| output += &format!("  {file}\n"));
    output += "\nNext:\n";
    if directory.is_some_and(|directory| directory != Path::new(".")) {
        output += &format!("  cd {}\n", render::shell_word(&shown));
    }
    output +=
        "  hoist install      install the example module\n  hoist new NAME     create a module\n";
    io::stdout().lock().write_all(output.as_bytes())?;
    Ok(ExitStatus::Ok)
}

fn cannot_write(shown: &str, error: &io::Error) -> CommandError {
    let diagnostic =
        Diagnostic::error(format!("cannot create the collection: {error}")).file(shown);
    CommandError::wrong(
        diagnostic
            .help("check that the directory is writable, or name another one: `hoist init DIR`"),
    )
}
