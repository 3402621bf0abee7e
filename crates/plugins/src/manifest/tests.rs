use super::*;
use crate::directory::InMemory;

const EXAMPLE: &str = "name: example-plugin
version: 1.0.0
description: An example
author: Somebody
license: MIT

dependencies:
  - core: \">=1.0.0\"
  - database: \">=2.0.0\"

config:
  schema: config/schema.json
  defaults: config/defaults.yaml

hooks:
  pre-deploy: hooks/pre-deploy.sh
  post-deploy: hooks/post-deploy.sh
";

fn example(manifest: &str) -> InMemory {
    InMemory::new(
        "/c/plugins/example-plugin",
        &[
            ("plugin.yml", manifest),
            ("config/schema.json", "{}"),
            ("config/defaults.yaml", ""),
            ("hooks/pre-deploy.sh", "#!/bin/bash\nexit 0\n"),
            ("hooks/post-deploy.sh", "echo done\n"),
            ("hooks/empty.sh", ""),
        ],
    )
}

fn found(manifest: &str) -> Vec<String> {
    let (_, found) = Plugin::read(&example(manifest));
    let told = |wrong: &Diagnostic| {
        let line = wrong.position.map_or(0, |at| at.line);
        let help = wrong.help.as_deref().unwrap_or("-");
        format!(
            "{line} {} {}: {} ({help})",
            if wrong.is_error() { "error" } else { "warning" },
            wrong.field.as_deref().unwrap_or("-"),
            wrong.message
        )
    };
    found.iter().map(told).collect()
}

#[test]
fn the_documented_manifest_is_read_whole() {
    let (plugin, found) = Plugin::read(&example(EXAMPLE));
    let plugin = plugin.expect("a plugin");
    assert_eq!(
        (plugin.name.as_str(), plugin.version.to_string().as_str()),
        ("example-plugin", "1.0.0")
    );
    let needs: Vec<String> = plugin
        .dependencies
        .iter()
        .map(|needed| format!("{} {}", needed.name, needed.range))
        .collect();
    assert_eq!(needs, ["core >=1.0.0", "database >=2.0.0"]);
    assert_eq!(plugin.schema.as_deref(), Some("config/schema.json"));
    let (name, hook) = plugin.hook(Side::Post, HookEvent::Deploy).expect("a hook");
    assert_eq!(
        (name, hook.path.as_str(), hook.runs_itself),
        ("post-deploy", "hooks/post-deploy.sh", false)
    );
    assert!(
        plugin
            .hook(Side::Pre, HookEvent::Deploy)
            .is_some_and(|(_, hook)| hook.runs_itself)
    );
    assert_eq!(
        found.len(),
        1,
        "only that one hook is not executable: {found:?}"
    );
    assert_eq!(plugin.kind, DeploymentKind::Basic);
}

#[test]
fn dependencies_may_be_a_map_or_names_and_some_may_be_absent() {
    let manifest = "name: example-plugin\nversion: '1'\ndependencies:\n  core: '*'\n  cache: {version: ^1, optional: true}\n";
    let (plugin, _) = Plugin::read(&example(manifest));
    let needs = plugin.expect("a plugin").dependencies;
    assert_eq!(
        (
            needs[1].name.as_str(),
            needs[1].optional,
            needs[0].range.is_any()
        ),
        ("cache", true, true)
    );
    let (plugin, _) = Plugin::read(&example(
        "name: example-plugin\nversion: 1.0.0\ndependencies: [core, other: 1.10]\n",
    ));
    let needs = plugin.expect("a plugin").dependencies;
    assert_eq!(
        needs[1].range.to_string(),
        "1.10",
        "as it is written, not as a number"
    );
}

#[test]
fn every_mistake_is_told_at_its_line() {
    let wrong = found("nmae: x\nversion: 1.0\ndescription: [a]\nhook: {}\n");
    assert_eq!(
        wrong[0],
        "1 error nmae: is not a field of a plugin (did you mean `name`?)"
    );
    assert_eq!(
        wrong[1],
        "4 error hook: is not a field of a plugin (did you mean `hooks`?)"
    );
    assert_eq!(
        wrong[2],
        "1 error name: is missing (add `name:` with the name of the directory)"
    );
    assert_eq!(
        wrong[3],
        "2 warning version: `1.0` is read as 1.0.0 (write `version: 1.0.0`)"
    );
    assert_eq!(
        wrong[4],
        "3 error description: must be a string, not a list (-)"
    );
    let wrong = found(
        "name: example-plugin\nversion: latest\nconfig:\n  schema: config/schem.json\n  defaults: ../x.yaml\nhooks:\n  pre_deploy: hooks/pre-deploy.sh\n  post-remove: hooks/empty.sh\n",
    );
    assert_eq!(
        wrong[0],
        "2 error version: `latest` is not a version (write three numbers separated by dots: 1.0.0)"
    );
    assert_eq!(
        wrong[1],
        "4 error config.schema: the file `config/schem.json` does not exist (did you mean `config/schema.json`?)"
    );
    assert_eq!(
        wrong[2],
        "5 error config.defaults: `../x.yaml` leads out of the plugin (use a file in the plugin's own directory)"
    );
    assert_eq!(
        wrong[3],
        "7 error hooks.pre_deploy: is not a field of a plugin (did you mean `pre-deploy`?)"
    );
    assert_eq!(
        wrong[4],
        "8 warning hooks.post-remove: hooks/empty.sh is empty (write its commands, or remove the hook)"
    );
    let wrong = found(
        "name: other\nversion: 1.0.0\ndependencies:\n  - a: newest\n  - a: '*'\n  - 7\n  - b: {optional: maybe}\n",
    );
    assert!(
        wrong[0].starts_with("1 warning name: differs from the name of its directory"),
        "{wrong:?}"
    );
    assert!(
        wrong[1].starts_with("6 error dependencies: must have a name and a version range"),
        "{wrong:?}"
    );
    assert!(
        wrong[2].starts_with("4 error dependencies.a: `newest` is not a version bound"),
        "{wrong:?}"
    );
    assert!(
        wrong[3].starts_with("7 error dependencies.b.optional"),
        "{wrong:?}"
    );
    assert!(found("- a\n")[0].starts_with("1 error -: must be a map, not a list"));
    assert!(found("")[0].starts_with("1 error -: must be a map, not nothing"));
    assert!(
        found("apiVersion: v1\nkind: Plugin\n")[0]
            .starts_with("1 error apiVersion: the file is for another system")
    );
    assert!(found("name: x\nname: y\n")[0].contains("duplicate key"));
}

#[test]
fn the_published_schema_knows_what_is_read() {
    let schema = hoist_core::schema::of("plugin", &hoist_core::SourceGrammar::new([])).unwrap();
    let names = |properties: &serde_json::Value| {
        let mut names: Vec<String> = properties.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    let mut keys = KEYS.to_vec();
    keys.sort_unstable();
    assert_eq!(names(&schema["properties"]), keys);
    let mut hooks: Vec<&str> = HOOKS.iter().map(|(name, ..)| *name).collect();
    hooks.sort_unstable();
    assert_eq!(names(&schema["properties"]["hooks"]["properties"]), hooks);
}

#[test]
fn files_in_usual_places_are_used_or_named() {
    let plain = ("plugin.yml", "name: shop\nversion: 1.0.0\n");
    let read = |files: &[(&str, &str)]| {
        let mut all = vec![plain];
        all.extend(files);
        let directory = InMemory::new("/p/shop", &all);
        let (plugin, found) = Plugin::read(&directory);
        (
            plugin.unwrap(),
            found
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n"),
            layered_environments(&directory),
        )
    };
    let (plugin, found, _) = read(&[
        ("config/defaults.yaml", "a: 1\n"),
        ("config/schema.json", "{}"),
    ]);
    assert_eq!(
        (plugin.defaults.as_deref(), plugin.schema.as_deref()),
        (Some("config/defaults.yaml"), Some("config/schema.json"))
    );
    assert_eq!(found, "");
    let (_, found, _) = read(&[
        ("hooks/pre-deploy.sh", "echo\n"),
        ("hooks/post_deploy.py", "1\n"),
        ("hooks/common.sh", "x\n"),
    ]);
    assert!(
        found.contains("hooks/pre-deploy.sh is not used: plugin.yml does not list it"),
        "{found}"
    );
    assert!(
        found.contains("hooks/post_deploy.py is not used") && !found.contains("common"),
        "{found}"
    );
    let compose = ("compose/docker-compose.yml", "services: {}\n");
    let layers = [
        compose,
        ("compose/docker-compose.yml.j2", "services: {}\n"),
        ("scripts/deploy.sh", "echo\n"),
        ("compose/overrides/qa.j2", ""),
        ("compose/docker-compose.test.yml.j2", ""),
    ];
    let (plugin, found, environments) = read(&layers);
    assert_eq!(plugin.kind, DeploymentKind::Compose);
    assert!(
        found.contains("scripts/deploy.sh is not used: the Compose files are deployed"),
        "{found}"
    );
    assert!(
        found.contains("compose/docker-compose.yml is not used: another file has precedence"),
        "{found}"
    );
    assert_eq!(environments.iter().collect::<Vec<_>>(), ["qa", "test"]);
    let (plugin, found, _) = read(&[("scripts/deploy.sh", "#!/bin/sh\n# later\n\n")]);
    assert!(
        plugin.deploys_nothing()
            && found.contains("scripts/deploy.sh is not used: it has no commands"),
        "{found}"
    );
}
