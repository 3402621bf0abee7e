use super::*;
use crate::directory::InMemory;
use serde_json::json;

const SCHEMA: &str = r#"{
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "required": ["app"],
  "properties": {
    "database": {
      "type": "object",
      "properties": {
        "host": { "type": "string" },
        "port": { "type": "integer", "minimum": 1, "maximum": 65535, "default": 5432 },
        "password": { "type": "string", "minLength": 8 }
      }
    },
    "app": {
      "type": "object",
      "required": ["secret_key"],
      "properties": {
        "debug": { "type": "boolean", "default": false },
        "log_level": { "enum": ["debug", "info"], "default": "info" },
        "secret_key": { "type": "string", "description": "signs sessions" },
        "pin": { "type": "integer", "writeOnly": true }
      }
    },
    "server": { "type": "object", "properties": { "host_port": { "type": "integer" } } }
  }
}"#;

fn plugin(more: &[(&str, &str)]) -> (Plugin, InMemory) {
    let manifest = "name: shop\nversion: 1.0.0\nconfig:\n  schema: config/schema.json\n  defaults: config/defaults.yaml\n";
    let defaults = "database:\n  host: localhost\napp:\n  secret_key: change-me-please\n";
    let mut files = vec![
        ("plugin.yml", manifest),
        ("config/schema.json", SCHEMA),
        ("config/defaults.yaml", defaults),
    ];
    files.retain(|(path, _)| !more.iter().any(|(other, _)| path == other));
    files.extend(more);
    let directory = InMemory::new("/plugins/shop", &files);
    (Plugin::read(&directory).0.expect("a plugin"), directory)
}

fn read(more: &[(&str, &str)], given: &Given) -> PluginConfiguration {
    let (plugin, directory) = plugin(more);
    PluginConfiguration::read(&plugin, &directory, given)
}

fn file(text: &str) -> Vec<Document> {
    vec![Document::parse("my.yaml", text).unwrap()]
}

fn set(path: &str, value: &str) -> ConfigAssignment {
    ConfigAssignment {
        path: path.into(),
        value: value.into(),
        option: format!("--set {path}"),
    }
}

#[test]
fn each_layer_lies_over_the_one_before_and_every_value_knows_its_own() {
    let profile = (
        "config/production.yaml",
        "app:\n  log_level: info\n  debug: false\nserver:\n  host_port: 80\n",
    );
    let given = Given {
        environment: Some("production".into()),
        files: file("database:\n  host: db.example.com\n  port: 1\nserver:\n  host_port: 81\n"),
        variables: [
            ("DB_PORT", "2"),
            ("HOST_PORT", "82"),
            ("DEBUG", "yes"),
            ("PATH", "/bin"),
        ]
        .map(|(a, b)| (a.into(), b.into()))
        .into_iter()
        .collect(),
        set: vec![set("server.host_port", "83")],
    };
    let configuration = read(&[profile], &given);
    assert_eq!(configuration.check(&InMemory::default()), []);
    let mut told: Vec<String> = configuration
        .settings()
        .iter()
        .map(|setting| format!("{} = {} [{}]", setting.path, setting.value, setting.origin))
        .collect();
    told.sort();
    let schema = "/plugins/shop/config/schema.json:10 (default of the schema)";
    assert_eq!(told[0], "app.debug = true [environment variable DEBUG]");
    assert_eq!(
        told[1],
        "app.log_level = \"info\" [/plugins/shop/config/production.yaml:2]"
    );
    assert_eq!(
        told[2],
        format!("app.secret_key = \"{MASK}\" [/plugins/shop/config/defaults.yaml:4]")
    );
    assert_eq!(told[3], "database.host = \"db.example.com\" [my.yaml:2]");
    assert_eq!(told[4], "database.port = 2 [environment variable DB_PORT]");
    assert_eq!(told[5], "server.host_port = 83 [--set server.host_port]");
    let plain = read(&[], &Given::default());
    let port = plain
        .settings()
        .into_iter()
        .find(|setting| setting.path == "database.port")
        .unwrap();
    assert_eq!(
        (port.value, port.origin.to_string().as_str()),
        (json!(5432), schema)
    );
}

#[test]
fn all_violations_are_told_at_once_with_place_and_rule_and_without_secrets() {
    let given = Given {
        files: file(
            "database:\n  port: 99999\n  password: short7\n  hots: x\napp:\n  debug: maybe\n  log_level: loud\n  secret_key: 7\n  pin: no pin\nserver: 8080\n",
        ),
        variables: [("HOST_PORT".to_owned(), "x".to_owned())]
            .into_iter()
            .collect(),
        ..Given::default()
    };
    let told: Vec<String> = read(&[], &given)
        .check(&InMemory::default())
        .iter()
        .map(ToString::to_string)
        .collect();
    let all = told.join("\n");
    for expected in [
        "my.yaml:2:9: error: database.port: 99999 is more than 65535",
        "my.yaml:3:13: error: database.password: ••• is shorter than 8 characters",
        "my.yaml:4:9: warning: database.hots: is not in the schema (did you mean `host`?)",
        "my.yaml:6:10: error: app.debug: \"maybe\" is not true or false",
        "my.yaml:7:14: error: app.log_level: \"loud\" is not one of debug, info",
        "my.yaml:8:15: error: app.secret_key: ••• is not a string",
        "my.yaml:9:8: error: app.pin: ••• is not an integer",
        "error: server.host_port: \"x\" is not an integer (from environment variable HOST_PORT)",
    ] {
        assert!(all.contains(expected), "{expected}\n{all}");
    }
    assert_eq!(told.len(), 8, "{all}");
    let without = read(&[("config/defaults.yaml", "app: {}\n")], &Given::default())
        .check(&InMemory::default());
    assert_eq!(without.len(), 1);
    let text = without[0].to_string();
    assert!(
        text.starts_with("/plugins/shop/config/defaults.yaml:1:1: error: app.secret_key: is required, but not set: signs sessions"),
        "{text}"
    );
    // A secret is not in the line that is shown either.
    assert!(
        read(&[], &given)
            .check(&InMemory::default())
            .iter()
            .all(|wrong| !wrong
                .source_line
                .as_deref()
                .unwrap_or_default()
                .contains("short7"))
    );
}

#[test]
fn variables_stand_for_values_both_ways() {
    let mapping = (
        "config/env.yaml",
        "SHOP_PORT: server.host_port\nSHOP_KEY: app.secret_key\nPATH: database.host\nSHOP_NO: app.nothing\n7X: app.debug\n",
    );
    let variables = [("SHOP_PORT", "90"), ("HOST_PORT", "91")]
        .map(|(a, b)| (a.into(), b.into()))
        .into_iter()
        .collect();
    let configuration = read(
        &[mapping],
        &Given {
            variables,
            ..Given::default()
        },
    );
    let told: Vec<String> = configuration
        .check(&InMemory::default())
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].contains("env.yaml:3:1: error: PATH: is a reserved variable"),
        "{told:?}"
    );
    assert!(
        told[1].contains("env.yaml:4:10: warning: SHOP_NO: maps to `app.nothing`"),
        "{told:?}"
    );
    assert!(
        told[2].contains("error: 7X: is not a variable name"),
        "{told:?}"
    );
    let seen = configuration.variables();
    assert_eq!(
        (seen["SHOP_PORT"].as_str(), seen["SHOP_KEY"].as_str()),
        ("90", "change-me-please")
    );
    assert_eq!(seen["CONFIG_SERVER_HOST_PORT"], "90");
    assert!(
        !seen.contains_key("PATH") && !seen.contains_key("HOST_PORT"),
        "only its own mapping counts: {seen:?}"
    );
}

#[test]
fn secrets_come_from_elsewhere_and_are_never_shown() {
    let given = Given {
        files: file(
            "database:\n  password: { from_file: /run/secret }\napp:\n  secret_key: { generate: true }\n",
        ),
        set: vec![set("app.pin", "9876"), set("database.host", "h")],
        ..Given::default()
    };
    let mut configuration = read(&[], &given);
    assert_eq!(
        configuration.check(&InMemory::default()),
        [],
        "what is still to come is no violation"
    );
    let mut pending = configuration.pending();
    pending.sort_by(|one, other| one.path.cmp(&other.path));
    assert_eq!(pending.len(), 2);
    assert_eq!(pending[0].source, SecretSource::Generate(32));
    configuration.supply(&pending[0], "generated-canary");
    configuration.supply(&pending[1], "short");
    assert!(
        configuration.check(&InMemory::default())[0]
            .message
            .contains("shorter than 8"),
        "what came is checked"
    );
    let shown = format!("{:?}{}", configuration.settings(), configuration.masked());
    for canary in ["generated-canary", "short", "9876"] {
        assert!(!shown.contains(canary), "{canary} in {shown}");
        let masked = configuration.masker().masked(&format!("it is {canary}!"));
        assert_eq!(masked, format!("it is {MASK}!"));
    }
    assert_eq!(
        configuration.value_with_secrets()["app"]["pin"],
        json!(9876)
    );
    let (plugin, directory) = plugin(&[]);
    let public = PluginConfiguration::read(&plugin, &directory, &Given::default())
        .public_secrets(&directory);
    assert_eq!(
        public
            .iter()
            .map(|(path, _)| path.as_str())
            .collect::<Vec<_>>(),
        ["app.secret_key"]
    );
}

#[test]
fn every_keyword_that_leads_to_a_secret_is_followed() {
    let former = r##"{
      "$schema": "http://json-schema.org/draft-07/schema#",
      "type": "object",
      "properties": {
        "tuple": { "items": [{}, { "writeOnly": true }], "additionalItems": { "writeOnly": true } },
        "some": { "contains": { "writeOnly": true } },
        "never": { "not": { "not": { "writeOnly": true } } },
        "policy": { "properties": { "password": { "properties": { "kind": { "writeOnly": false } } } } }
      },
      "dependencies": { "some": { "properties": { "dependent": { "format": "password" } } } }
    }"##;
    let present = r##"{
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "$defs": { "a": { "$anchor": "hidden", "writeOnly": true }, "d": { "$dynamicAnchor": "moving", "writeOnly": true } },
      "type": "object",
      "properties": {
        "prefix": { "prefixItems": [{}, { "writeOnly": true }], "unevaluatedItems": { "writeOnly": true } },
        "anchored": { "$ref": "#hidden" },
        "dynamic": { "$dynamicRef": "#moving" },
        "open": { "unevaluatedProperties": { "writeOnly": true } }
      },
      "dependentSchemas": { "prefix": { "properties": { "dependent": { "writeOnly": true } } } }
    }"##;
    let by_name = "secrets: {smtp: canary-12, deep: {x: [canary-13]}}\npasswords: [canary-14]\napiTokens: {a: canary-15}\n\
                   password: {current: canary-16, min_length: 1200}\npolicy: {password: {kind: plain-words}}\n";
    let tuples = "tuple: [plain, canary-1, canary-2]\nsome: [canary-3]\nnever: canary-4\ndependent: canary-5\n";
    let others = "prefix: [plain, canary-1, canary-2]\nanchored: canary-3\ndynamic: canary-4\nopen: {x: canary-5}\ndependent: canary-6\n";
    for (schema, text, count) in [
        (former, format!("{tuples}{by_name}"), 10),
        (present, others.to_owned(), 6),
    ] {
        let files = [
            ("config/schema.json", schema),
            ("config/defaults.yaml", "{}"),
        ];
        let configuration = read(
            &files,
            &Given {
                files: file(&text),
                ..Given::default()
            },
        );
        let shown = configuration.masked().to_string();
        assert!(
            configuration.found.is_empty() && !shown.contains("canary"),
            "{shown} {:?}",
            configuration.found
        );
        assert!(
            shown.contains("plain") && shown.contains("1200") == (count == 10),
            "{shown}"
        );
        assert_eq!(
            configuration
                .secrets()
                .iter()
                .filter(|secret| secret.contains("canary"))
                .count(),
            count
        );
    }
}

#[test]
fn names_in_a_map_that_is_a_secret_are_never_shown() {
    let schema = r#"{
      "type": "object",
      "properties": {
        "tokens": {
          "type": "object", "writeOnly": true, "maxProperties": 4,
          "properties": { "kind": { "type": "string" } },
          "additionalProperties": { "type": "string", "minLength": 4 },
          "patternProperties": { "^never": false },
          "propertyNames": { "maxLength": 20 }
        },
        "users": { "type": "object", "additionalProperties": { "type": "object" } }
      }
    }"#;
    let text = "tokens:\n  canary-one: abcd\n  canary-two: 5\n  never-canary: abcd\n  canary-longer-than-twenty-letters: abcd\n  kind: plain\nusers:\n  bob: {}\n";
    let given = Given {
        files: file(text),
        set: vec![
            set("tokens.canary-three", "x"),
            set("tokens.canary-four[0]", "y"),
        ],
        ..Given::default()
    };
    let configuration = read(
        &[
            ("config/schema.json", schema),
            ("config/defaults.yaml", "{}"),
        ],
        &given,
    );
    let told = configuration.check(&InMemory::default());
    assert!(told.len() >= 4, "{told:?}");
    let mut shown = format!(
        "{told:?}{}{:?}",
        configuration.masked(),
        configuration.short_secrets()
    );
    for setting in configuration.settings() {
        shown += &format!(
            "{} = {} [{}]\n",
            setting.path, setting.value, setting.origin
        );
    }
    assert!(!shown.contains("canary"), "{shown}");
    assert_eq!(
        configuration.masked(),
        json!({ "tokens": MASK, "users": { "bob": {} } })
    );
    let paths: Vec<String> = configuration
        .settings()
        .into_iter()
        .map(|setting| setting.path)
        .collect();
    assert!(
        paths.contains(&"tokens.kind".to_owned()) && paths.contains(&format!("tokens.{MASK}")),
        "{paths:?}"
    );
    assert_eq!(
        configuration.masker().masked("it has canary-one!"),
        format!("it has {MASK}!")
    );
}

#[test]
fn environments_have_profiles_or_are_those_that_are_everywhere() {
    let of = |environment: &str| {
        let given = Given {
            environment: Some(environment.into()),
            ..Given::default()
        };
        read(&[("config/eu.yaml", "app:\n  debug: true\n")], &given)
            .check(&InMemory::default())
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert!(of("staging").is_empty() && of("eu").is_empty());
    assert!(
        of("prodution")[0].contains("did you mean `production`?"),
        "{:?}",
        of("prodution")
    );
    assert!(of("../x")[0].contains("not an environment name"));
    assert!(!of("defaults").is_empty() && !of("schema").is_empty());
}

#[test]
fn broken_layers_are_told() {
    let broken = |path: &str, text: &str| {
        read(&[(path, text)], &Given::default())
            .check(&InMemory::default())
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(broken("config/defaults.yaml", "- a\n").contains("must be a map, not a list"));
    assert!(broken("config/defaults.yaml", "a: 1\na: 2\n").contains("duplicate key"));
    assert!(broken("config/schema.json", "{ \"type\": 7 }").contains("is not a JSON Schema"));
    let given = Given {
        set: vec![set("app..x", "1"), set("database.host[3]", "1")],
        ..Given::default()
    };
    let told = read(&[], &given).check(&InMemory::default());
    assert!(
        told[0].message.contains("is not a path of a value"),
        "{told:?}"
    );
}

#[test]
fn numbers_that_no_number_can_hold_keep_their_digits_and_null_takes_defaults_away() {
    let schema = r#"{ "properties": { "size": { "type": "integer" }, "level": { "type": "string", "default": "info" }, "name": { "default": "n" } } }"#;
    let files = [
        (
            "plugin.yml",
            "name: p\nversion: 1.0.0\nconfig:\n  defaults: config/defaults.yaml\n  schema: config/schema.json\n",
        ),
        (
            "config/defaults.yaml",
            "id: 12345678901234567890123\nmode: 0755\nsize: 18446744073709551617\nname: m\nkept: 1\n",
        ),
        ("config/schema.json", schema),
    ];
    let directory = InMemory::new("/p", &files);
    let plugin = Plugin::read(&directory).0.unwrap();
    let given = Given {
        files: file("level: null\nname: null\nkept: null\n"),
        ..Given::default()
    };
    let configuration = PluginConfiguration::read(&plugin, &directory, &given);
    let value = configuration.value_with_secrets();
    assert_eq!(
        (&value["id"], &value["mode"]),
        (&json!("12345678901234567890123"), &json!("0755"))
    );
    assert_eq!(
        value.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["id", "mode", "size"]
    );
    assert_eq!(
        configuration.spellings().values().collect::<Vec<_>>(),
        ["18446744073709551617"]
    );
    let wrong = configuration.check(&directory);
    assert!(!wrong.iter().any(Diagnostic::is_error), "{wrong:?}");
}

#[test]
fn secrets_from_elsewhere_are_text_and_null_on_the_command_line_removes_a_value() {
    let files = [
        ("plugin.yml", "name: p\nversion: 1.0.0\n"),
        (
            "config/defaults.yaml",
            "db: { password: x, sock: /s }\nkept: 1\n",
        ),
    ];
    let directory = InMemory::new("/p", &files);
    let plugin = Plugin::read(&directory).0.unwrap();
    for text in [
        "abc1 #def",
        "0755",
        "\"quoted\"",
        "  lead",
        "{a: b}",
        "- x",
        "1.10",
        "null",
        "true",
    ] {
        let given = Given {
            files: file("db: { password: { from_file: /run/secret } }\n"),
            set: vec![set("db.sock", "null")],
            ..Given::default()
        };
        let mut configuration = PluginConfiguration::read(&plugin, &directory, &given);
        let pending = configuration.pending();
        configuration.supply(&pending[0], text);
        assert_eq!(
            configuration.value_with_secrets(),
            json!({ "db": { "password": text }, "kept": 1 }),
            "{text}"
        );
    }
}
