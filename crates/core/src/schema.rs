//! JSON Schemas of the files hoist reads and of the documents it prints.

use serde_json::{Value, json};

use crate::format::FORMATS;
use crate::format::shell::{FIELDS, Field, FieldKind};
use crate::{SourceGrammar, SourceKeyKind, SourceSyntax};

/// What there are schemas of, beside the formats of modules.
const KINDS: &[&str] = &[
    "collection",
    "module",
    "plugin",
    "installer",
    "events",
    "plan",
    "list",
];

/// What there are schemas of.
pub fn kinds() -> Vec<&'static str> {
    let formats = FORMATS.iter().filter_map(|format| format.schema());
    let formats = formats.map(|schema| schema.kind);
    KINDS.iter().copied().chain(formats).collect()
}

/// The schema of this kind, with sources of the kinds of `grammar`.
pub fn of(kind: &str, grammar: &SourceGrammar) -> Option<Value> {
    let (title, body) = match kind {
        "collection" => (
            "hoist.yml: settings of a collection or of a user",
            collection(grammar),
        ),
        "module" => (
            "Metadata of a shell module, as an object of its variables",
            module(),
        ),
        "plugin" => ("plugin.yml: manifest of a plugin", plugin()),
        "installer" => (
            "Messages that an installer of a web application's module writes to file descriptor 3",
            installer(),
        ),
        "events" => ("One line of the JSON output of a run", events()),
        "plan" => ("JSON output of `hoist plan`", plan()),
        "list" => ("JSON output of `hoist list`", list()),
        other => {
            let mut formats = FORMATS.iter().filter_map(|format| format.schema());
            let schema = formats.find(|schema| schema.kind == other)?;
            (schema.title, (schema.body)())
        }
    };
    let mut schema =
        json!({ "$schema": "http://json-schema.org/draft-07/schema#", "title": title });
    if let (Some(schema), Value::Object(body)) = (schema.as_object_mut(), body) {
        schema.extend(body);
    }
    Some(schema)
}

fn collection(grammar: &SourceGrammar) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "name": { "type": "string", "description": "Name of the collection" },
            "description": { "type": "string", "description": "One-line description of the collection" },
            "jobs": { "type": "integer", "minimum": 1, "description": "Number of modules to process in parallel" },
            "timeout": { "type": ["string", "integer"], "pattern": "^[0-9]+(s|m|h)?$", "description": "Time limit for each module: 90, 15m, 2h" },
            "stall_timeout": { "type": ["string", "integer"], "pattern": "^[0-9]+(s|m|h)?$", "description": "Time without output after which a git transfer is stopped and retried: 60, 2m" },
            "require_checksums": { "type": "boolean", "description": "Whether an installer script without a checksum in its manifest is an error" },
            "strict": { "type": "boolean", "description": "Whether the failure of any module aborts the run" },
            "collections": { "type": "array", "items": { "type": "string" }, "description": "Collections to use outside of a collection; only in the user's hoist.yml" },
            "builtin_modules": { "type": "string", "description": "Directory of the built-in modules of the XMPP server" },
            "keep_backups": { "type": "integer", "minimum": 1, "description": "Number of backups to keep of each configuration file [default: 10]" },
            "keep_runs": { "type": "integer", "minimum": 1, "description": "Number of past runs to keep [default: 50]" },
            "provides": { "type": "object", "additionalProperties": { "type": ["string", "number"] }, "description": "Dependencies of plugins that the platform provides, with their versions" },
            "sources": { "type": "array", "items": source(grammar), "description": "Further sources of modules" },
        },
    })
}

fn source(grammar: &SourceGrammar) -> Value {
    let kinds = grammar.kinds().iter().map(SourceSyntax::kind);
    let kinds: Vec<Value> = kinds.map(|key| json!({ "required": [key] })).collect();
    let mut properties = json!({
        "name": { "type": "string", "pattern": "^[A-Za-z0-9._+][A-Za-z0-9._+-]*$", "description": "Name of the source, as in NAME/MODULE" },
        "priority": { "type": "integer", "description": "Of modules with the same name, the one with the highest priority is used" },
    });
    for key in grammar.keys() {
        let kind = match key.kind {
            SourceKeyKind::Text => json!("string"),
            SourceKeyKind::OneOrMore => json!(["string", "array"]),
            SourceKeyKind::Version => json!(["string", "number"]),
        };
        properties[key.name] = json!({ "type": kind, "description": key.description });
    }
    json!({
        "type": "object",
        "additionalProperties": false,
        "anyOf": kinds,
        "properties": properties,
    })
}

fn plugin() -> Value {
    let name = json!({ "type": "string", "pattern": "^[A-Za-z0-9._+][A-Za-z0-9._+-]*$", "maxLength": 200 });
    let string = json!({ "type": "string" });
    let path = |description: &str| json!({ "type": "string", "not": { "pattern": "(^/|(^|/)\\.\\.(/|$))" }, "description": description });
    let range = json!({ "type": ["string", "number", "null"], "description": "Version range: >=1.0.0, ^1.2, ~1.2, 1.2.x, *, or several: >=1.0.0, <2.0.0" });
    let needed = json!({ "oneOf": [range, {
        "type": "object", "additionalProperties": false, "properties": { "version": range, "optional": { "type": "boolean" } },
    }] });
    let hooks = ["install", "deploy", "upgrade", "remove"]
        .iter()
        .flat_map(|event| [format!("pre-{event}"), format!("post-{event}")]);
    let hooks: serde_json::Map<String, Value> = hooks
        .map(|hook| (hook, path("Script of the plugin")))
        .collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "version"],
        "properties": {
            "name": name,
            "version": { "type": ["string", "number"], "description": "Three numbers: 1.0.0" },
            "description": string, "author": string, "license": string, "homepage": string,
            "tags": { "type": "array" },
            "strict_templates": { "type": "boolean", "description": "Whether printing an undefined value in a template is an error" },
            "dependencies": { "oneOf": [
                { "type": "array", "items": { "oneOf": [name, { "type": "object", "additionalProperties": needed }] } },
                { "type": "object", "additionalProperties": needed },
                { "type": "null" },
            ] },
            "config": { "type": ["object", "null"], "additionalProperties": false, "properties": {
                "schema": path("JSON Schema of the configuration"), "defaults": path("File of default values"),
            } },
            "hooks": { "type": ["object", "null"], "additionalProperties": false, "properties": hooks },
        },
    })
}

fn installer() -> Value {
    let string = json!({ "type": "string" });
    let levels = ["info", "success", "warning", "error"];
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "ok": { "type": "boolean", "description": "false if the step failed" },
            "messages": { "type": "array", "items": { "oneOf": [
                string,
                { "type": "object", "properties": { "level": { "enum": levels }, "text": string }, "required": ["text"] },
            ] } },
            "left": { "type": "array", "description": "Path that is left for the user to inspect", "items": {
                "type": "object",
                "additionalProperties": false,
                "properties": { "path": string, "reason": string },
                "required": ["path"],
            } },
        },
    })
}

fn module() -> Value {
    let property = |kind: FieldKind| match kind {
        FieldKind::Boolean => json!({ "enum": ["true", "false"] }),
        FieldKind::OneOf(choices) => json!({ "enum": choices }),
        FieldKind::Name => {
            json!({ "type": "string", "pattern": "^[A-Za-z0-9._+][A-Za-z0-9._+-]*$", "maxLength": 200 })
        }
        FieldKind::Sha256 => json!({ "type": "string", "pattern": "^[0-9A-Fa-f]{64}$" }),
        FieldKind::Duration => json!({ "type": "string", "pattern": "^[0-9]+(s|m|h)?$" }),
        _ => json!({ "type": "string" }),
    };
    let described = |field: &Field| {
        let mut property = property(field.kind);
        property["description"] = field.description.into();
        property
    };
    let properties: serde_json::Map<String, Value> = FIELDS
        .iter()
        .map(|field| (field.name.to_owned(), described(field)))
        .collect();
    let required: Vec<&str> = FIELDS
        .iter()
        .filter(|field| field.required)
        .map(|field| field.name)
        .collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

fn events() -> Value {
    let status = [
        "installed",
        "updated",
        "removed",
        "deployed",
        "undeployed",
        "unchanged",
        "passed",
        "unverified",
        "forgotten",
        "failed",
        "skipped",
    ];
    let event = |name: &str, mut properties: Value, required: &[&str]| {
        properties["event"] = json!({ "const": name });
        properties["at"] = json!({ "type": "string", "format": "date-time" });
        let required: Vec<&str> = ["event", "at"]
            .into_iter()
            .chain(required.iter().copied())
            .collect();
        json!({ "type": "object", "properties": properties, "required": required })
    };
    let string = json!({ "type": "string" });
    let count = json!({ "type": "integer", "minimum": 0 });
    let item = json!({
        "type": "object",
        "properties": { "fate": { "enum": ["created", "changed", "removed", "kept", "left"] }, "subject": string, "reason": { "type": ["string", "null"] } },
        "required": ["fate", "subject"],
    });
    let levels = ["info", "success", "warning", "error"];
    let message = json!({
        "type": "object", "properties": { "level": { "enum": levels }, "text": string, "source": string, "at_ms": count }, "required": ["level", "text"],
    });
    let started = json!({ "run_id": string, "action": { "enum": ["install", "update", "uninstall", "test", "undo", "deploy", "undeploy"] }, "modules": { "type": "array", "items": string } });
    let finished = json!({
        "module": string, "status": { "enum": status }, "duration_ms": count, "reason": string,
        "messages": { "type": "array", "items": message },
        "items": { "type": "array", "items": item }, "from": { "type": ["string", "null"] }, "to": { "type": ["string", "null"] },
    });
    let ended = json!({
        "run_id": string, "status": { "enum": ["ok", "partial", "failed", "interrupted"] }, "duration_ms": count,
        "counts": { "type": "object", "additionalProperties": count },
    });
    json!({ "oneOf": [
        event("run_started", started, &["run_id", "action", "modules"]),
        event("module_started", json!({ "module": string, "action": string, "method": string }), &["module", "action", "method"]),
        event("module_output", json!({ "module": string, "stream": { "enum": ["stdout", "stderr"] }, "line": string }), &["module", "stream", "line"]),
        event("module_finished", finished, &["module", "status", "duration_ms", "messages"]),
        event("run_finished", ended, &["status", "counts", "duration_ms"]),
    ] })
}

fn plan() -> Value {
    let change = [
        "install",
        "repair",
        "check",
        "reinstall",
        "update",
        "migrate",
        "uninstall",
        "keep",
        "test",
        "deploy",
        "undeploy",
    ];
    json!({
        "type": "object",
        "required": ["action", "modules", "left_out"],
        "properties": {
            "action": { "enum": ["install", "update", "uninstall", "test", "undo", "deploy", "undeploy"] },
            "modules": { "type": "array", "items": {
                "type": "object",
                "required": ["module", "tier", "method", "change", "reason", "requires"],
                "properties": {
                    "module": { "type": "string" }, "tier": { "enum": ["core", "default", "optional"] }, "method": { "type": "string" },
                    "change": { "enum": change }, "reason": { "type": "string" }, "requires": { "type": "array", "items": { "type": "string" } },
                },
            } },
            "left_out": { "type": "array" },
        },
    })
}

fn list() -> Value {
    let or_null = |kind: &str| json!({ "type": [kind, "null"] });
    json!({ "type": "array", "items": {
        "type": "object",
        "required": ["name", "tier", "state", "version", "source", "description"],
        "properties": {
            "name": { "type": "string" }, "tier": { "enum": ["core", "default", "optional", null] },
            "state": { "enum": ["installed", "unverified", "available", "unavailable", "failed", "interrupted", "in_progress", "broken"] }, "version": or_null("string"), "source": or_null("string"),
            "description": or_null("string"), "method": { "type": "string" }, "requires": { "type": "array", "items": { "type": "string" } },
        },
    } })
}
