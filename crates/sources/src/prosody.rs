//! The configuration of Prosody, as text: where its modules are, which are enabled, and how one
//! more is written into it.

use crate::lua::{self, LuaError, LuaValue, Statement, Table};

/// What a configuration says of modules.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerConfiguration {
    /// The server of rocks that `prosodyctl install` asks.
    pub plugin_server: Option<String>,
    /// Where what is installed goes.
    pub installer_plugin_path: Option<String>,
    /// Where its modules are looked for besides.
    pub plugin_paths: Vec<String>,
    /// Other files that it includes, as they are written.
    pub includes: Vec<String>,
    /// The modules of each host, under the name of the host; those of every host under an empty
    /// name.
    pub enabled: Vec<(String, Vec<String>)>,
    /// The table that enables modules for every host.
    table: Option<Table>,
}

/// Reads a configuration.
///
/// # Errors
/// A text that is no Lua.
pub fn read(text: &str) -> Result<ServerConfiguration, LuaError> {
    let document = lua::read(text)?;
    let mut read = ServerConfiguration::default();
    let mut host = String::new();
    for statement in &document.statements {
        match statement {
            Statement::Call(name, argument) => match name.as_str() {
                "VirtualHost" | "Component" => host.clone_from(argument),
                "Include" => read.includes.push(argument.clone()),
                _ => {}
            },
            Statement::Set(name, Some(LuaValue::Table(table))) if name == "modules_enabled" => {
                if host.is_empty() {
                    read.table = Some(table.clone());
                }
                read.enabled
                    .push((host.clone(), table.texts().map(str::to_owned).collect()));
            }
            Statement::Set(name, Some(value)) if host.is_empty() => match name.as_str() {
                "plugin_server" => read.plugin_server = value.text().map(str::to_owned),
                "installer_plugin_path" => {
                    read.installer_plugin_path = value.text().map(str::to_owned)
                }
                "plugin_paths" => read.plugin_paths = paths(value),
                _ => {}
            },
            Statement::Set(..) => {}
        }
    }
    Ok(read)
}

fn paths(value: &LuaValue) -> Vec<String> {
    match value {
        LuaValue::Text(text) => vec![text.clone()],
        LuaValue::Table(Table { list, .. }) => list
            .iter()
            .filter_map(LuaValue::text)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

/// A configuration in which one more module is enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enabled {
    /// The text.
    pub text: String,
    /// The text without the module, but with the separator that another one behind the last needs.
    /// It can be taken out of the text again although others were enabled after it.
    pub separated: String,
}

impl ServerConfiguration {
    /// True when a module is enabled for every host, or for one.
    pub fn enables(&self, module: &str) -> bool {
        let short = module.strip_prefix("mod_").unwrap_or(module);
        self.enabled
            .iter()
            .any(|(_, modules)| modules.iter().any(|enabled| enabled == short))
    }

    /// The hosts for which a module is enabled; an empty name stands for every host.
    pub fn hosts(&self, module: &str) -> Vec<&str> {
        let short = module.strip_prefix("mod_").unwrap_or(module);
        let enables =
            |(_, modules): &&(String, Vec<String>)| modules.iter().any(|enabled| enabled == short);
        self.enabled
            .iter()
            .filter(enables)
            .map(|(host, _)| host.as_str())
            .collect()
    }

    /// The text of the configuration with a module enabled for every host; `None` where there is no
    /// table to write it into, or where that could not be done without changing anything else.
    pub fn enable(&self, text: &str, module: &str) -> Option<Enabled> {
        let short = module.strip_prefix("mod_").unwrap_or(module);
        let Table {
            span,
            tail: (end, free),
            ..
        } = self.table.as_ref()?;
        let brace = span.end - 1;
        let inside = &text[span.clone()];
        let line = if inside.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        let separator = if *free { "" } else { ";" };
        let start = text[..brace].rfind('\n').map_or(0, |end| end + 1);
        let changed =
            if inside.contains('\n') && text[start..brace].trim().is_empty() && start >= *end {
                // A line of its own, ahead of that of the brace.
                let quoted = inside
                    .lines()
                    .skip(1)
                    .find(|line| line.trim_start().starts_with(['"', '\'']));
                let indent =
                    quoted.map_or("\t", |line| &line[..line.len() - line.trim_start().len()]);
                format!(
                    "{}{separator}{}{indent}\"{short}\";{line}{}",
                    &text[..*end],
                    &text[*end..start],
                    &text[start..]
                )
            } else {
                let between = text[*end..brace].trim_end_matches([' ', '\t']);
                format!(
                    "{}{separator}{between} \"{short}\" {}",
                    &text[..*end],
                    &text[brace..]
                )
            };
        // Read again, it says the same and that one more.
        let (mut wanted, after) = (self.clone(), read(&changed).ok()?);
        let place = wanted
            .enabled
            .iter()
            .rposition(|(host, _)| host.is_empty())?;
        wanted.enabled[place].1.push(short.to_owned());
        let separated = format!("{}{separator}{}", &text[..*end], &text[*end..]);
        (Self {
            table: None,
            ..wanted
        } == Self {
            table: None,
            ..after
        })
        .then_some(Enabled {
            text: changed,
            separated,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "plugin_server = \"http://127.0.0.1/rocks/\"\ninstaller_plugin_path = '/usr/local/lib/prosody/modules'\nplugin_paths = { \"/a\", '/b' }\nInclude \"conf.d/*.cfg.lua\"\n\nmodules_enabled = {\n\t-- Generally required\n\t\t\"roster\"; -- Allow users to have a roster\n\t\t\"saslauth\"; \n\t--\t\"off\";\n}\n\nVirtualHost \"a.example\"\n\tmodules_enabled = { \"only_here\" }\n\tplugin_server = 'ignored'\n";

    #[test]
    fn what_it_says_of_modules_is_read_and_nothing_else() {
        let read = read(TEXT).unwrap();
        assert_eq!(
            read.plugin_server.as_deref(),
            Some("http://127.0.0.1/rocks/")
        );
        assert_eq!(
            read.installer_plugin_path.as_deref(),
            Some("/usr/local/lib/prosody/modules")
        );
        assert_eq!(
            (read.plugin_paths.len(), read.includes.as_slice()),
            (2, &["conf.d/*.cfg.lua".to_owned()][..])
        );
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
            "modules_enabled = {\n\t\"roster\";\n\t\"posix\"\n\t-- \"later\";\n}\n",
            "modules_enabled = {\n\t\"roster\"; --[[ of\n several ]]\n}\n",
            "modules_enabled = { \"roster\" --[[ one ]] }\n",
            "modules_enabled = {\n\t\"x--y\", \"a--b\"\n}\n",
            "modules_enabled = {\r\n  \"a\";\r\n  \"b\"\r\n};\r\n",
            "local list = { \"a\" }\nmodules_enabled = list\n",
            "modules_enabled = { -- all of them\n}",
            "modules_enabled = { \"a\", --[[\n b ]] }",
        ] {
            let before = read(text).unwrap();
            let Enabled {
                text: changed,
                separated,
            } = before.enable(text, "mod_new").unwrap();
            assert_eq!(
                read(&separated).unwrap().enabled,
                before.enabled,
                "{separated}"
            );
            let after = read(&changed).unwrap_or_else(|error| panic!("{error}\n{changed}"));
            let mut wanted = before.enabled.clone();
            wanted[0].1.push("new".into());
            assert_eq!(after.enabled, wanted, "{changed}");
            assert_eq!(changed.contains("\r\n"), text.contains("\r\n"));
            assert_eq!(
                changed.matches("\r\n").count(),
                changed.matches('\n').count() * usize::from(text.contains('\r'))
            );
            // Everything that was there still is, in its order.
            let mut rest = changed.chars();
            assert!(
                text.chars()
                    .all(|wanted| wanted.is_whitespace() || rest.any(|found| found == wanted)),
                "{changed}"
            );
        }
        assert_eq!(read("x = 1").unwrap().enable("x = 1", "new"), None);
    }
}
