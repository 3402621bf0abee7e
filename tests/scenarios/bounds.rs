//! What others wrote takes bounded time and memory to read, whatever they wrote.

use std::os::unix::fs::{MetadataExt, symlink};

use hoist_tests::{Application, Module, Ran, Sandbox, binary, ran};

/// Runs hoist with at most 1 GiB of address space, its helpers included.
fn bounded(sandbox: &Sandbox, arguments: &str) -> Ran {
    let line = format!("ulimit -v 1048576; exec {} {arguments}", binary().display());
    ran(sandbox
        .command("bash")
        .args(["-c", &line])
        .current_dir(sandbox.collection())
        .output()
        .unwrap())
}

fn plugin(sandbox: &Sandbox, name: &str, more: &str) {
    sandbox.write(
        &format!("plugins/{name}/plugin.yml"),
        &format!("name: {name}\nversion: 1.0.0\ndescription: d\n{more}"),
    );
}

#[test]
fn templates_that_grow_or_do_not_end_are_errors() {
    let sandbox = Sandbox::new();
    let grow = |step: &str| {
        format!(
            "{{% set ns = namespace(s='x') %}}{{% for i in range(60) %}}{{% set ns.s = {step} %}}{{% endfor %}}\n"
        )
    };
    for (name, text, why) in [
        ("doubles", grow("ns.s ~ ns.s"), "it does not end"),
        (
            "replaces",
            grow("ns.s|replace('x', 'xx')"),
            "takes more than 5 seconds",
        ),
        (
            "indents",
            "# {{ 'a\\nb'|indent(4000000000) }}\n".to_owned(),
            "the width is limited to",
        ),
        (
            "formats",
            "# {{ '%4000000000d'|format(1) }}\n".to_owned(),
            "its result is too large",
        ),
        (
            "repeats",
            "# {{ 'x' * 4000000000 }}\n".to_owned(),
            "its result is too large",
        ),
        (
            "calls",
            "{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}\n".to_owned(),
            "recursion limit",
        ),
        (
            "includes",
            "{% include 'compose/docker-compose.yml.j2' %}\n".to_owned(),
            "include",
        ),
        (
            "loops",
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}\n"
                .to_owned(),
            "it does not end",
        ),
    ] {
        plugin(&sandbox, name, "");
        sandbox.write(
            &format!("plugins/{name}/compose/docker-compose.yml.j2"),
            &text,
        );
        let told = bounded(&sandbox, &format!("plugin validate ./plugins/{name}")).exits(2);
        assert!(
            told.stderr.contains("cannot render the template") && told.stderr.contains(why),
            "{name}: {}",
            told.stderr
        );
        assert!(
            told.stderr.contains("docker-compose.yml.j2"),
            "{name}: {}",
            told.stderr
        );
    }
    // And one that is fine.
    plugin(&sandbox, "fine", "");
    sandbox.write(
        "plugins/fine/compose/docker-compose.yml.j2",
        "services:\n  a: { image: \"busybox:{{ '%d'|format(1) }}\" }\n",
    );
    bounded(&sandbox, "plugin validate ./plugins/fine").exits(0);
}

#[test]
fn schemas_that_multiply_are_errors_and_those_that_refer_to_themselves_work() {
    let sandbox = Sandbox::new();
    let chain = |count: usize, part: &dyn Fn(usize) -> String, last: &str| {
        let parts: String = (0..count)
            .map(|number| format!("\"d{number}\": {}, ", part(number + 1)))
            .collect();
        format!("\"definitions\": {{ {parts}\"d{count}\": {last} }}")
    };
    let twice = |next: usize| {
        format!(
            "{{ \"$ref\": \"#/definitions/d{next}\" }}, {{ \"$ref\": \"#/definitions/d{next}\" }}"
        )
    };
    let all_of = chain(
        40,
        &|next| format!("{{ \"allOf\": [{}] }}", twice(next)),
        "{}",
    );
    let two = |next: usize| {
        let one = format!("{{ \"$ref\": \"#/definitions/d{next}\" }}");
        format!("{{ \"type\": \"object\", \"properties\": {{ \"a\": {one}, \"b\": {one} }} }}")
    };
    let defaults = chain(30, &two, "{ \"default\": 1 }");
    let node = "{ \"properties\": { \"c\": { \"allOf\": [{ \"$ref\": \"#/definitions/n\" }, { \"$ref\": \"#/definitions/n\" }] } } }";
    let tree = "\"definitions\": { \"n\": { \"properties\": { \"v\": { \"type\": \"integer\" }, \"c\": { \"$ref\": \"#/definitions/n\" } } } }";
    let nested = format!("x: {}1{}\n", "{ c: ".repeat(60), " }".repeat(60));
    for (name, schema, values, code, why) in [
        (
            "all",
            format!("{{ {all_of}, \"$ref\": \"#/definitions/d0\" }}"),
            "{}\n",
            2,
            "takes more than 5 seconds",
        ),
        (
            "defaults",
            format!(
                "{{ {defaults}, \"properties\": {{ \"x\": {{ \"$ref\": \"#/definitions/d0\" }} }} }}"
            ),
            "{}\n",
            0,
            "ok",
        ),
        (
            "nested",
            format!(
                "{{ \"definitions\": {{ \"n\": {node} }}, \"properties\": {{ \"x\": {{ \"$ref\": \"#/definitions/n\" }} }} }}"
            ),
            nested.as_str(),
            2,
            "cannot be used to check a configuration",
        ),
        (
            "tree",
            format!(
                "{{ {tree}, \"properties\": {{ \"x\": {{ \"$ref\": \"#/definitions/n\" }} }} }}"
            ),
            "x: { v: 1, c: { v: 2 } }\n",
            0,
            "ok",
        ),
        (
            "wrong",
            format!(
                "{{ {tree}, \"properties\": {{ \"x\": {{ \"$ref\": \"#/definitions/n\" }} }} }}"
            ),
            "x: { v: 1, c: { v: two } }\n",
            2,
            "x.c.v: \"two\" is not an integer",
        ),
    ] {
        plugin(
            &sandbox,
            name,
            "config:\n  schema: config/schema.json\n  defaults: config/defaults.yaml\n",
        );
        sandbox.write(&format!("plugins/{name}/config/schema.json"), &schema);
        sandbox.write(&format!("plugins/{name}/config/defaults.yaml"), values);
        let told = bounded(&sandbox, &format!("plugin validate ./plugins/{name}")).exits(code);
        let all = format!("{}{}", told.stdout, told.stderr);
        assert!(all.contains(why), "{name}: {all}");
    }
}

#[test]
fn files_that_never_end_are_not_read_to_their_end() {
    let sandbox = Sandbox::new();
    plugin(&sandbox, "p", "");
    sandbox.add(&Module::new("m")).write("large", "");
    let large = sandbox.collection().join("large");
    std::fs::File::options()
        .write(true)
        .open(&large)
        .unwrap()
        .set_len(8 << 30)
        .unwrap();
    std::fs::create_dir_all(sandbox.home().join(".config/hoist")).unwrap();
    for file in ["/dev/zero", large.to_str().unwrap()] {
        for arguments in [
            "plugin config p --config FILE",
            "plugin config p --set-file a=FILE",
            "install m --hosts FILE",
        ] {
            let told = bounded(&sandbox, &arguments.replace("FILE", file)).exits(2);
            assert!(
                told.stderr.contains("it is larger than 16 MiB"),
                "{arguments}: {}",
                told.stderr
            );
        }
        let settings = sandbox.home().join(".config/hoist/hoist.yml");
        symlink(file, &settings).unwrap();
        for arguments in [
            "list",
            "install m",
            "source list",
            "source add x --mercurial /nowhere",
        ] {
            let told = bounded(&sandbox, arguments);
            let is_told = told.stderr.contains("it is larger than 16 MiB")
                || told.stderr.contains("is not a regular file");
            assert!(
                is_told && told.stderr.contains("hoist.yml"),
                "{arguments}: {}",
                told.stderr
            );
        }
        std::fs::remove_file(settings).unwrap();
    }
    // What is given in a pipe is read.
    let line = format!(
        "{} plugin config p --config <(echo 'a: 1') --output json",
        binary().display()
    );
    let told = ran(sandbox
        .command("bash")
        .args(["-c", &line])
        .current_dir(sandbox.collection())
        .output()
        .unwrap())
    .exits(0);
    assert!(told.stdout.contains("\"a\""), "{}", told.stdout);
    // A module that is as large, and hoist.yml in one.
    std::fs::rename(&large, sandbox.collection().join("modules/large.sh")).unwrap();
    let told = bounded(&sandbox, "validate").exits(2);
    assert!(told.stderr.contains("large.sh"), "{}", told.stderr);
    bounded(&sandbox, "install m").exits(0);
}

#[test]
fn a_module_of_an_application_has_a_size_at_most() {
    let application = Application::new();
    application
        .offer("Big/module-info.yml", "version: 1\n")
        .offer("Big/file", "");
    let file = application.sandbox.home().join("modules/Big/file");
    std::fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    assert!(
        file.metadata().unwrap().blocks() < 100,
        "a file system without holes"
    );
    let install = format!(
        "install {} --app {}",
        application.place("Big"),
        application.root().display()
    );
    let told = bounded(&application.sandbox, &install).exits(2);
    assert!(
        told.stderr.contains("its content exceeds 512 MiB"),
        "{}",
        told.stderr
    );
}

#[test]
fn secrets_of_any_length_and_pipes_hold_nothing_up() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "plugins/p/plugin.yml",
        "name: p\nversion: 1.0.0\nconfig:\n  schema: config/schema.json\n",
    );
    sandbox.write("plugins/p/scripts/deploy.sh", "true\n");
    sandbox.write(
        "plugins/p/config/schema.json",
        r#"{"properties": {"s": {"type": "string", "writeOnly": true}}}"#,
    );
    let long = sandbox.put("long.yaml", &format!("s: \"{}\"\n", "a".repeat(20_000)));
    bounded(
        &sandbox,
        &format!("plugin deploy p --config {}", long.display()),
    )
    .exits(0);
    // A pipe that somebody writes to is a file like any other.
    let line = format!(
        "{} plugin config p --config <(echo 's: from-a-pipe')",
        binary().display()
    );
    ran(sandbox
        .command("bash")
        .args(["-c", &line])
        .output()
        .unwrap())
    .exits(0)
    .says("•••");
    // Settings are no pipe, and neither are files of a plugin.
    std::fs::create_dir_all(sandbox.home().join(".config/hoist")).unwrap();
    for (pipe, command) in [
        (
            sandbox.home().join(".config/hoist/hoist.yml"),
            "source add x --from /tmp/x.git",
        ),
        (
            sandbox.collection().join("plugins/p/config/env.yaml"),
            "plugin validate p",
        ),
        (
            sandbox.collection().join("plugins/p/config/env.yaml"),
            "plugin config p",
        ),
    ] {
        let _ = std::fs::remove_file(&pipe);
        assert!(
            sandbox
                .command("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        bounded(&sandbox, command).exits(2).says("regular file");
        std::fs::remove_file(&pipe).unwrap();
    }
}
