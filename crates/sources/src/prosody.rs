//! The configuration of Prosody, as text: where its modules are, which are enabled, and how one more is written into it.

use crate::lua::{self, LuaError, Statement, Table, Value};

/// What a configuration says of modules.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configuration {
    /// The server of rocks that `prosodyctl install` asks.
    pub plugin_server: Option<String>,
    /// Where what is installed goes.
    pub installer_plugin_path: Option<String>,
    /// Where its modules are looked for besides.
    pub plugin_paths: Vec<String>,
    /// Other files that it includes, as they are written.
    pub includes: Vec<String>,
    /// The modules of each host, under the name of the host; those of every host under an empty name.
    pub enabled: Vec<(String, Vec<String>)>,
    /// The table that enables modules for every host, in bytes.
    table: Option<std::ops::Range<usize>>,
}

/// Reads a configuration.
///
/// # Errors
/// A text that is no Lua.
pub fn read(text: &str) -> Result<Configuration, LuaError> {
    let document = lua::read(text)?;
    let mut read = Configuration::default();
    let mut host = String::new();
    for statement in &document.statements {
        match statement {
            Statement::Call(name, argument) => match name.as_str() {
                "VirtualHost" | "Component" => host.clone_from(argument),
                "Include" => read.includes.push(argument.clone()),
                _ => {}
            },
            Statement::Set(name, Some(Value::Table(table))) if name == "modules_enabled" => {
                if host.is_empty() {
                    read.table = Some(table.span.clone());
                }
                read.enabled.push((host.clone(), table.texts().map(str::to_owned).collect()));
            }
            Statement::Set(name, Some(value)) if host.is_empty() => match name.as_str() {
                "plugin_server" => read.plugin_server = value.text().map(str::to_owned),
                "installer_plugin_path" => read.installer_plugin_path = value.text().map(str::to_owned),
                "plugin_paths" => read.plugin_paths = paths(value),
                _ => {}
            },
            Statement::Set(..) => {}
        }
    }
    Ok(read)
}

fn paths(value: &Value) -> Vec<String> {
    match value {
        Value::Text(text) => vec![text.clone()],
        Value::Table(Table { list, .. }) => list.iter().filter_map(Value::text).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

impl Configuration {
    /// True when a module is enabled for every host, or for one.
    pub fn enables(&self, module: &str) -> bool {
        let short = module.strip_prefix("mod_").unwrap_or(module);
        self.enabled.iter().any(|(_, modules)| modules.iter().any(|enabled| enabled == short))
    }

    /// The text of the configuration with a module enabled for every host; `None` where there is no table to write it into.
    pub fn enable(&self, text: &str, module: &str) -> Option<String> {
        let short = module.strip_prefix("mod_").unwrap_or(module);
        let span = self.table.clone()?;
        let brace = span.end - 1;
        let inside = &text[span.start + 1..brace];
        let last = inside.trim_end();
        // In one line, or a line each, as it is there.
        let several = inside.contains('\n');
        let code = last.lines().last().map_or("", |line| line.split("--").next().unwrap_or_default()).trim_end();
        let separated = code.is_empty() || code.ends_with([',', ';', '{']) || !has_entries(inside);
        let behind = span.start + 1 + last.len();
        let mut changed = String::with_capacity(text.len() + short.len() + 16);
        if several {
            let indent: String = inside
                .lines()
                .skip(1)
                .find(|line| !line.trim().is_empty())
                .unwrap_or("\t")
                .chars()
                .take_while(|c| c.is_whitespace())
                .collect();
            let separator = if separated { "" } else { ";" };
            // Behind the last entry, ahead of a comment on its line.
            let at = if separated { behind } else { behind - (last.lines().last().map_or(0, str::len) - code.len()) };
            changed += &text[..at];
            changed += separator;
            changed += &text[at..behind];
            changed += &format!("\n{}\"{short}\";", if indent.is_empty() { "\t" } else { &indent });
            changed += "\n";
            let rest = &text[behind..];
            changed += rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
        } else {
            changed += &text[..behind];
            changed += if separated { " " } else { "; " };
            changed += &format!("\"{short}\" ");
            changed += text[behind..].trim_start_matches([' ', '\t']);
        }
        Some(changed)
    }
}

fn has_entries(inside: &str) -> bool {
    inside.lines().any(|line| !line.split("--").next().unwrap_or_default().trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "plugin_server = \"http://127.0.0.1/rocks/\"\ninstaller_plugin_path = '/usr/local/lib/prosody/modules'\nplugin_paths = { \"/a\", '/b' }\nInclude \"conf.d/*.cfg.lua\"\n\nmodules_enabled = {\n\t-- Generally required\n\t\t\"roster\"; -- Allow users to have a roster\n\t\t\"saslauth\"; \n\t--\t\"off\";\n}\n\nVirtualHost \"a.example\"\n\tmodules_enabled = { \"only_here\" }\n\tplugin_server = 'ignored'\n";

    #[test]
    fn what_it_says_of_modules_is_read_and_nothing_else() {
        let read = read(TEXT).unwrap();
        assert_eq!(read.plugin_server.as_deref(), Some("http://127.0.0.1/rocks/"));
        assert_eq!(read.installer_plugin_path.as_deref(), Some("/usr/local/lib/prosody/modules"));
        assert_eq!((read.plugin_paths.len(), read.includes.as_slice()), (2, &["conf.d/*.cfg.lua".to_owned()][..]));
        assert!(read.enables("mod_roster") && read.enables("only_here") && !read.enables("off"));
    }

    #[test]
    fn a_module_is_enabled_once_more_and_everything_else_stays() {
        for text in [
            TEXT,
            "modules_enabled = { \"a\", \"b\" }\nx = 1",
            "modules_enabled = {}\n",
            "modules_enabled = {\n  \"a\" -- last\n}\n",
            "modules_enabled = {\n}\n",
            "modules_enabled = { \"a\"; }",
            "modules_enabled = {\n\t\"a\",\n\t\"b\" }",
        ] {
            let before = read(text).unwrap();
            let changed = before.enable(text, "mod_new").unwrap();
            let after = read(&changed).unwrap_or_else(|error| panic!("{error}\n{changed}"));
            let mut wanted = before.enabled.clone();
            wanted[0].1.push("new".into());
            assert_eq!(after.enabled, wanted, "{changed}");
            for line in text.lines().filter(|line| line.contains("--")) {
                assert!(changed.contains(line.split("--").nth(1).unwrap()), "{changed}");
            }
        }
        assert_eq!(read("x = 1").unwrap().enable("x = 1", "new"), None);
    }
}
