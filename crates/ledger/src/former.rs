//! What earlier versions of hoist wrote, and what becomes of it.

use hoist_core::{
    Application, DescribedBy, ModuleId, ModulePolicy, Resource, ResourceScope, Step, UninstallSpec,
};
use rusqlite::{Connection, params};
use serde::Deserialize;
use serde_json::{Value, json};

/// What earlier versions wrote in place of resources.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Former {
    python: Vec<String>,
    target: Option<std::path::PathBuf>,
    rock: Option<FormerRock>,
    into: Option<std::path::PathBuf>,
    plugin: bool,
    application: Option<Application>,
}

#[derive(Debug, Deserialize)]
struct FormerRock {
    tree: std::path::PathBuf,
    lua: String,
}

/// The method of modules whose packages were not written down.
const PACKAGE_MANAGER: &str = "package_manager";

impl Former {
    fn resources(self, module: &str) -> Vec<Resource> {
        let mut resources = Vec::new();
        if let Some(target) = self.target {
            let scope = ResourceScope::new("pip", &target);
            let names = self.python.into_iter();
            resources.extend(names.map(|name| Resource::new(scope.clone(), name)));
        }
        if let Some(FormerRock { tree, lua }) = self.rock {
            let scope = ResourceScope {
                runtime: Some(lua),
                ..ResourceScope::new("luarocks", &tree)
            };
            resources.push(Resource::new(scope, module));
        }
        resources
    }

    /// How modules of the systems that there were behaved.
    fn policy(&self) -> ModulePolicy {
        match (self.plugin, &self.application, &self.into) {
            (true, ..) => ModulePolicy {
                described_by: DescribedBy::Manifest,
                is_all_or_nothing: true,
                is_validated: true,
                ..ModulePolicy::of_index("plugin")
            },
            (_, Some(_), _) => ModulePolicy {
                is_validated: true,
                ..ModulePolicy::of_index("application")
            },
            (.., Some(_)) => ModulePolicy::of_index("prosody"),
            (.., None) => ModulePolicy::of_manifest("shell"),
        }
    }

    /// What people call a module of a source, where that is not its name, and its other names.
    fn names(&self, module: &str, source: &str) -> (Option<String>, Vec<String>) {
        let rest = module
            .strip_prefix(source)
            .and_then(|rest| rest.strip_prefix('.'));
        let short = rest
            .filter(|_| self.application.is_some())
            .map(str::to_owned);
        let is_of_server = self.into.is_some() && self.application.is_none() && !self.plugin;
        let alias = match is_of_server {
            true => module.strip_prefix("mod_").map(str::to_owned),
            false => short.clone(),
        };
        (short, alias.into_iter().collect())
    }
}

/// Reads what a module of a source said of its removal; of what cannot be read nothing is known.
pub(crate) fn read(text: &str, module: &str, source: &str) -> UninstallSpec {
    let mut value: Value = serde_json::from_str(text).unwrap_or_default();
    let Some(fields) = value.as_object_mut() else {
        return UninstallSpec::default();
    };
    let is_former = !fields.contains_key("policy");
    if let Some(Value::Bool(has_function)) = fields.get("function") {
        let function = has_function.then_some("uninstall_module");
        fields.insert("function".to_owned(), function.into());
    }
    let mut removal: UninstallSpec = serde_json::from_value(value).unwrap_or_default();
    if is_former {
        let former: Former = serde_json::from_str(text).unwrap_or_default();
        removal.policy = former.policy();
        (removal.short_name, removal.aliases) = former.names(module, source);
        if let Some(application) = &former.application {
            let name = removal.short_name.as_deref().unwrap_or(module);
            let args = json!({ "name": name, "application": application, "action": "uninstall" });
            removal.tree = Some(application.tree(name));
            removal.steps = vec![Step::new("installer", args)];
            removal.settings = serde_json::to_value(application).unwrap_or_default();
        }
        removal.resources = former.resources(module);
    }
    removal
}

/// What modules claim in ledgers of versions that had no tables of it.
pub(crate) const CLAIMS: &str = "WITH claims (path, module) AS (
        SELECT CAST(value AS BLOB), name FROM modules, json_each(paths)
        UNION SELECT CAST(value AS BLOB), name FROM modules, json_each(removal, '$.paths') WHERE adopted
    ) ";

/// What modules have of resources in ledgers of versions that had no table of them.
pub(crate) const RESOURCES: &str = "WITH resources (manager, directory, runtime, name, module) AS (
        SELECT 'pip', removal ->> '$.target', '', value, modules.name FROM modules, json_each(removal, '$.python')
    ) ";

/// The documents of a kind in ledgers of versions that had a table for one kind.
pub(crate) fn documents(connection: &Connection, kind: &str) -> rusqlite::Result<Vec<String>> {
    if kind != "deployment" || !connection.table_exists(None, "deployments")? {
        return Ok(Vec::new());
    }
    let select = "SELECT record FROM deployments ORDER BY plugin, environment";
    let mut select = connection.prepare(select)?;
    let rows = select.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// Rewrites what all modules say of their removal.
pub(crate) fn migrate(connection: &Connection) -> rusqlite::Result<()> {
    let mut select = connection.prepare("SELECT name, method, source, removal FROM modules")?;
    let rows = select.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    let rows = rows.collect::<rusqlite::Result<Vec<(String, String, String, String)>>>()?;
    for (name, method, source, text) in rows {
        let mut removal = read(&text, &name, &source);
        if method == PACKAGE_MANAGER && ModuleId::new(&name).is_ok() {
            let scope = ResourceScope::new("package", std::path::Path::new(""));
            removal.resources.push(Resource {
                is_shared: true,
                ..Resource::new(scope, name.as_str())
            });
        }
        let removal = crate::values::json(&removal);
        let update = "UPDATE modules SET removal = ?2 WHERE name = ?1";
        connection.execute(update, params![name, removal])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_versions_wrote_becomes_resources() {
        let text = r#"{"paths":["/h/x"],"python":["six"],"target":"/h/.local","function":true,
            "rock":{"tree":"/t","lua":"5.4"},"into":"/t"}"#;
        let removal = read(text, "lpeg", "rocks");
        let found: Vec<(&str, &str, Option<&str>, &str)> = removal
            .resources
            .iter()
            .map(|Resource { scope, name, .. }| {
                let directory = scope.directory.to_str().unwrap();
                let runtime = scope.runtime.as_deref();
                (scope.manager.as_str(), directory, runtime, name.as_str())
            })
            .collect();
        assert_eq!(
            found,
            [
                ("pip", "/h/.local", None, "six"),
                ("luarocks", "/t", Some("5.4"), "lpeg")
            ]
        );
        assert_eq!(removal.function.as_deref(), Some("uninstall_module"));
        assert_eq!(removal.policy, ModulePolicy::of_index("prosody"));
        assert_eq!(removal.paths, [std::path::Path::new("/h/x")]);
        let written = crate::values::json(&removal);
        assert_eq!(read(&written, "lpeg", "rocks"), removal);
        assert_eq!(read("damaged", "lpeg", "rocks"), UninstallSpec::default());
    }
}
