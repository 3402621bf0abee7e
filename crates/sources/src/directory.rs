//! Modules of web applications: directories with an installer, and what they say of themselves.

use std::path::Path;

use hoist_core::{is_class_name, yaml_error};
use serde::Deserialize;

/// What a `module-info.yml` says. It is written in a relative of YAML that YAML parsers do not
/// read, so nothing in it is an error: what is not understood is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleInfo {
    /// Which version it is.
    pub version: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// When.
    pub date: Option<String>,
    /// Modules that it needs.
    pub requires: Vec<String>,
}

/// The file it stands in.
pub const INFO: &str = "module-info.yml";
/// The file in which a module says things to hoist alone.
pub const MODULE_FILE: &str = "hoist.yml";
/// An installer that is a program of its own.
pub const PROGRAM: &str = "installer";

/// What the `hoist.yml` of a module may say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModuleFile {
    /// Modules that it needs.
    pub requires: Vec<String>,
    /// The program that installs it, relative to its directory.
    pub installer: Option<String>,
}

impl ModuleFile {
    /// Reads its text.
    ///
    /// # Errors
    /// What is wrong with it, with its line.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let read: Self = serde_yaml::from_str(text).map_err(|error| {
            let wrong = yaml_error(MODULE_FILE, text, &error);
            let line = wrong
                .position
                .map(|at| format!(":{}", at.line))
                .unwrap_or_default();
            let field = wrong
                .field
                .map(|field| format!("{field}: "))
                .unwrap_or_default();
            format!(
                "{MODULE_FILE}{line}: {field}{}; valid keys are `requires` and `installer`",
                wrong.message
            )
        })?;
        if let Some(name) = read.requires.iter().find(|name| !is_class_name(name)) {
            return Err(format!(
                "{MODULE_FILE}: requires: `{}` is not a module name: use only letters, digits and _",
                name.escape_debug()
            ));
        }
        let is_inside = |path: &String| {
            Path::new(path)
                .components()
                .all(|part| matches!(part, std::path::Component::Normal(_)))
        };
        match read
            .installer
            .as_ref()
            .filter(|path| path.is_empty() || !is_inside(path))
        {
            Some(path) => Err(format!(
                "{MODULE_FILE}: installer: `{}` is not a path inside the module",
                path.escape_debug()
            )),
            None => Ok(read),
        }
    }
}

/// What installs a module that has these files: a path in it. A program goes before the class, a
/// program that is named before one that is found.
pub fn installer<'f>(
    name: &str,
    file: &'f ModuleFile,
    has: impl Fn(&str) -> bool,
) -> Option<std::borrow::Cow<'f, str>> {
    let class = format!("{name}Installer.php");
    match &file.installer {
        Some(named) => Some(named.as_str().into()),
        None if has(PROGRAM) => Some(PROGRAM.into()),
        None => has(&class).then(|| class.into()),
    }
}

impl ModuleInfo {
    /// Reads its text.
    pub fn read(text: &str) -> Self {
        let mut info = Self::default();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let Some((key, value)) = line.split_once(':').filter(|(key, _)| is_key(key)) else {
                continue;
            };
            let value = value.trim();
            let is_indented = |line: &&str| {
                line.starts_with([' ', '\t']) || line.trim().is_empty() || line.starts_with("- ")
            };
            let mut block = Vec::new();
            match value {
                // Several lines stand between `<` and `>`.
                "<" => block.extend(
                    lines
                        .by_ref()
                        .take_while(|line| line.trim() != ">")
                        .map(str::to_owned),
                ),
                "" | "|" | "|-" | "|+" | ">" | ">-" | ">+" => {
                    while let Some(line) = lines.next_if(is_indented) {
                        block.push(line.to_owned());
                    }
                }
                _ => {}
            }
            let text = match block.is_empty() {
                true => plain(value),
                false => block
                    .iter()
                    .map(|line| line.trim())
                    .filter(|line| !line.is_empty())
                    .collect::<Vec<_>>()
                    .join(" "),
            };
            let text = Some(text)
                .filter(|text| !text.is_empty() && !matches!(text.as_str(), "<" | "|" | ">"));
            match key.trim().to_lowercase().as_str() {
                "version" => info.version = text,
                "description" | "summary" => info.description = text,
                "author" | "authors" => info.author = text,
                "date" | "last_update" | "updated" => info.date = text,
                "dependencies" | "depends" | "requires" | "dependency" => {
                    info.requires = names(value, &block)
                }
                _ => {}
            }
        }
        info
    }
}

fn is_key(key: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ');
    key.starts_with(|first: char| first.is_ascii_alphabetic()) && key.chars().all(plain)
}

/// A value without quotes, and without the remark behind it.
fn plain(value: &str) -> String {
    let quoted = |quote: char| {
        value
            .strip_prefix(quote)
            .and_then(|rest| rest.split_once(quote))
            .map(|(inside, _)| inside.to_owned())
    };
    quoted('"').or_else(|| quoted('\'')).unwrap_or_else(|| {
        value
            .split(" #")
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    })
}

/// The names of a list: `[A, B]`, or an item a line, with or without versions behind them.
fn names(value: &str, block: &[String]) -> Vec<String> {
    let inline = value
        .trim_start_matches('[')
        .trim_end_matches(']')
        .split(',')
        .map(str::to_owned);
    let items = inline.chain(
        block
            .iter()
            .map(|line| line.trim().trim_start_matches("- ").to_owned()),
    );
    let name = |item: String| {
        let item = plain(item.trim());
        let end = item
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(item.len());
        item[..end].to_owned()
    };
    let mut names: Vec<String> = Vec::new();
    for name in items.map(name).filter(|name| is_class_name(name)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lines_quotes_lists_and_nonsense_are_read_as_far_as_they_go() {
        let text = "version: 1.2.0 # the newest\nauthor: \"Ling: T\"\ndescription: <\n  Makes pizza.\n\n  And: more.\n>\ndate: '2016-12-21'\n\
                    dependencies:\n    - Oven >= 1.0\n    - 'Dough'\n    Cheese: 2\n- Oven\n%%%\n\tx\nunknown: [a\n";
        let info = ModuleInfo::read(text);
        assert_eq!(info.version.as_deref(), Some("1.2.0"));
        assert_eq!(info.author.as_deref(), Some("Ling: T"));
        assert_eq!(info.description.as_deref(), Some("Makes pizza. And: more."));
        assert_eq!(info.date.as_deref(), Some("2016-12-21"));
        assert_eq!(info.requires, ["Oven", "Dough", "Cheese"]);
        let yaml = ModuleInfo::read(
            "description: |\n  one\n  two\nrequires: [A, B-1, '../c']\nversion:\n",
        );
        assert_eq!(
            (yaml.description.as_deref(), yaml.version),
            (Some("one two"), None)
        );
        assert_eq!(yaml.requires, ["A", "B"]);
        assert_eq!(
            ModuleInfo::read("description: <\nnever ends")
                .description
                .as_deref(),
            Some("never ends")
        );
        assert_eq!(
            ModuleInfo::read("\u{0}\u{feff}: :\n: x\n"),
            ModuleInfo::default()
        );
    }

    #[test]
    fn what_a_module_says_to_hoist_is_read_strictly() {
        let read = ModuleFile::parse("requires: [Oven]\ninstaller: bin/set-up\n").unwrap();
        assert_eq!(
            installer("Pizza", &read, |_| true).as_deref(),
            Some("bin/set-up")
        );
        let none = ModuleFile::default();
        assert_eq!(
            installer("Pizza", &none, |path| path == "PizzaInstaller.php").as_deref(),
            Some("PizzaInstaller.php")
        );
        assert_eq!(
            installer("Pizza", &none, |path| path != "installer"),
            Some("PizzaInstaller.php".into())
        );
        assert_eq!(
            installer("Pizza", &none, |path| path == "installer").as_deref(),
            Some("installer")
        );
        for (text, said) in [
            ("require: [A]", "hoist.yml:1: "),
            ("requires: [a-b]", "not a module name"),
            ("installer: ../x", "not a path inside"),
            ("installer: ''", "not a path inside"),
        ] {
            assert!(
                ModuleFile::parse(text).unwrap_err().contains(said),
                "{text}: {:?}",
                ModuleFile::parse(text)
            );
        }
    }
}
