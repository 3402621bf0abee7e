//! Bytes as the files of a plugin, its manifest, schema, values and Compose file, split where a
//! line of `---8<---` stands, and as output with secrets. Reading ends, what is found is at a place
//! of its file, and no secret is shown.
#![no_main]

use hoist_core::Environment;
use hoist_plugins::{ConfigAssignment, PluginConfiguration, Document, Given, InMemory, MASK, Masker, Plugin, Rendering, VersionRange, read_version, render};
use libfuzzer_sys::fuzz_target;

const MANIFEST: &str = "name: shop\nversion: 1.0.0\nconfig: { schema: config/schema.json, defaults: config/defaults.yaml }\n";

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split("---8<---\n");
    let mut next = || parts.next().unwrap_or_default();
    let (manifest, schema, defaults, mapping, compose, given, set) = (next(), next(), next(), next(), next(), next(), next());
    let files = |manifest: &str| {
        InMemory::new(
            "/plugins/shop",
            &[
                ("plugin.yml", manifest),
                ("config/schema.json", schema),
                ("config/defaults.yaml", defaults),
                ("config/env.yaml", mapping),
                ("compose/docker-compose.yml.j2", compose),
            ],
        )
    };
    let (_, wrong) = Plugin::read(&files(manifest));
    for wrong in &wrong {
        let lines = manifest.lines().count().max(1);
        assert!(wrong.position.is_none_or(|at| at.line <= lines + 1), "{wrong}");
    }
    let directory = files(MANIFEST);
    let (Some(plugin), _) = Plugin::read(&directory) else { return };
    let assignment = |line: &str| {
        let (path, value) = line.split_once('=')?;
        Some(ConfigAssignment { path: path.to_owned(), value: value.to_owned(), option: "--set".to_owned() })
    };
    let variables: Environment = [("DB_HOST".to_owned(), given.to_owned()), ("SECRET_KEY".to_owned(), set.to_owned())].into_iter().collect();
    let given = Given {
        environment: None,
        files: Document::parse("given.yaml", given).into_iter().collect(),
        variables: variables.clone(),
        set: set.lines().take(20).filter_map(assignment).collect(),
    };
    let mut configuration = PluginConfiguration::read(&plugin, &directory, &given);
    for pending in configuration.pending() {
        configuration.supply(&pending, "supplied by the fuzzer");
    }
    let _ = configuration.check();
    let masked = configuration.masked().to_string();
    assert!(!masked.contains("supplied by the fuzzer"));
    let rendering = Rendering {
        plugin: &plugin,
        values: &configuration.value_with_secrets(),
        variables: &configuration.variables(),
        surroundings: &variables,
        environment: None,
        replicas: Some(2),
        debug: false,
        project: "shop",
        swarm: set.len() % 2 == 1,
    };
    let _ = render(&directory, &rendering);
    for line in text.lines().take(10) {
        if let (Ok(range), Some((version, _))) = (VersionRange::parse(line), read_version(line)) {
            let _ = range.contains(&version);
        }
        let secret: String = line.chars().take(60).collect();
        let plain = !MASK.contains(secret.trim()) && secret.trim().chars().count() >= 8;
        let shown = Masker::new([secret.as_str()]).masked(&format!("before {secret} after"));
        assert!(!plain || !shown.contains(secret.trim()), "{shown}");
    }
});
