use super::*;
use crate::directory::InMemory;

fn directory(files: &[(&str, &str)]) -> (Plugin, InMemory) {
    let mut all = vec![("plugin.yml", "name: shop\nversion: 1.0.0\n")];
    all.extend(files);
    let directory = InMemory::new("/p/shop", &all);
    (Plugin::read(&directory).0.unwrap(), directory)
}

fn rendered_with(
    files: &[(&str, &str)],
    environment: Option<&str>,
    replicas: Option<u32>,
) -> (Project, Vec<String>) {
    let values = json!({ "server": { "port": 8080 }, "app": { "secret_key": "it's: a \"key\"" } });
    rendered_of(files, &values, environment, replicas)
}

fn rendered_of(
    files: &[(&str, &str)],
    values: &Value,
    environment: Option<&str>,
    replicas: Option<u32>,
) -> (Project, Vec<String>) {
    let (plugin, directory) = directory(files);
    let variables = [("HOST_PORT".to_owned(), "8080".to_owned())].into();
    let spellings = [
        ("1.1".to_owned(), "1.10".to_owned()),
        ("755".to_owned(), "0755".to_owned()),
    ]
    .into();
    let process_environment = hoist_core::Environment::with_home("/h");
    let rendering = Rendering {
        plugin: &plugin,
        values,
        spellings: &spellings,
        variables: &variables,
        process_environment: &process_environment,
        environment,
        replicas,
        debug: false,
        project: "shop",
        swarm: false,
    };
    let (project, found) = render(&directory, &rendering);
    (project, found.iter().map(ToString::to_string).collect())
}

fn found(text: &str, replicas: Option<u32>) -> Vec<String> {
    rendered_with(&[("compose/docker-compose.yml", text)], None, replicas).1
}

#[test]
fn templates_are_rendered_strictly_and_files_lie_over_each_other() {
    let main = "services:\n  app:\n    image: shop:{{ plugin.version }}\n    ports: [\"{{ server.port }}:80\"]\n    environment:\n      KEY: {{ app.secret_key | tojson }}\n{% include 'more.txt' %}\n";
    let files = [
        ("compose/docker-compose.yml.j2", main),
        ("compose/docker-compose.yml", "services: {}\n"),
        ("compose/more.txt", "  # included"),
        (
            "compose/docker-compose.prod.yml",
            "services:\n  app:\n    restart: always\n",
        ),
        (
            "compose/docker-compose.override.yml",
            "services:\n  app:\n    labels: [a]\n",
        ),
    ];
    let (project, wrong) = rendered_with(&files, Some("production"), None);
    assert_eq!(wrong, Vec::<String>::new());
    let names: Vec<&str> = project
        .files
        .iter()
        .map(|(path, _)| path.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "compose/docker-compose.yml",
            "compose/docker-compose.override.yml",
            "compose/docker-compose.prod.yml"
        ]
    );
    assert!(
        project.files[0].1.contains("image: shop:1.0.0")
            && project.files[0].1.contains("# included"),
        "{}",
        project.files[0].1
    );
    let read = Document::parse("", &project.files[0].1)
        .unwrap()
        .root
        .to_json();
    assert_eq!(
        read["services"]["app"]["environment"]["KEY"], "it's: a \"key\"",
        "a value with quotes survives"
    );
    let broken = |text: &str| {
        rendered_with(&[("compose/docker-compose.yml.j2", text)], None, None)
            .1
            .join("\n")
    };
    assert!(
        broken("services:\n  app:\n    image: {{ nothing.here }}\n")
            .contains("docker-compose.yml.j2:3:"),
        "{}",
        broken("a\nb\n{{ nothing.here }}")
    );
    assert!(broken("{% for x in range(1000000000) %}{% endfor %}").contains("error"));
    assert!(
        broken("{% for x in range(9999) %}{% for x in range(9999) %}{% endfor %}{% endfor %}")
            .contains("it does not end")
    );
    assert!(broken("{% include '/etc/passwd' %}").contains("cannot render the template"));
    assert!(broken("{% include '../plugin.yml' %}").contains("cannot render the template"));
    assert!(broken("{{ x").contains("cannot render the template"));
    assert!(broken("a: [").contains("docker-compose.yml.j2:1:"));
    let lenient = "services:\n  app:\n    image: a\n    {% if nothing %}x: 1{% endif %}\n    environment:\n      {% for name, value in server.items() %}\n      {{ name.upper() }}: {{ value }}\n      {% endfor %}\n    image: b\n";
    let lenient = lenient.replace(
        "    image: b",
        "    command: [\"{{ nothing }}\", {{ server.nothing }} ]\n    image: b",
    );
    let (project, mut wrong) = rendered_with(
        &[("compose/docker-compose.yml.j2", lenient.as_str())],
        None,
        None,
    );
    let undefined: Vec<String> = wrong.drain(..2).collect();
    assert!(
        undefined.iter().all(|wrong| wrong.contains("j2:9:")
            && wrong.contains("an undefined value renders as an empty string")),
        "{undefined:?}"
    );
    assert!(
        wrong.len() == 1
            && wrong[0].contains("j2:10:5: warning: duplicate key `image`: the last one is used"),
        "{wrong:?}"
    );
    assert!(
        project.files[0].1.contains("PORT: 8080"),
        "{}",
        project.files[0].1
    );
}

#[test]
fn what_compose_does_not_find_is_found() {
    let port = |port: &str| {
        found(
            &format!("services:\n  app:\n    image: x\n    ports: [\"{port}\"]\n"),
            None,
        )
        .join("\n")
    };
    for good in [
        "80",
        "8080:80",
        "127.0.0.1:8080:80/udp",
        "8080-8089:80",
        ":80",
        "${HOST_PORT}:80",
        "${NO:-90}:80",
        "[::1]:80:80",
        "0:80",
    ] {
        assert_eq!(port(good), "", "{good}");
    }
    for bad in ["99999:80", "80:0", "a:80", "90-80:80", "8080:70000"] {
        assert!(
            port(bad).contains("docker-compose.yml:4:13: error: services.app.ports:"),
            "{bad}: {}",
            port(bad)
        );
    }
    assert!(
        port("${NO}:80").contains("warning: services.app.ports: the variable NO is not set"),
        "{}",
        port("${NO}:80")
    );
    assert!(
        port("${NO:?give it}:80")
            .contains("error: services.app.ports: the variable NO is not set: give it")
    );
    let all = "services:\n  app:\n    image: x\n    container_name: one\n    restart: always\n    networks: [front, bakc]\n    ports: [\"8080:80\"]\n    deploy:\n      restart_policy: { max_attempts: 3 }\n  other:\n    image: x\n    ports: [\"8080:81\", {target: 99999}]\nnetworks: {front: {}, back: {}}\n";
    let wrong = found(all, Some(3));
    let expected = [
        "6:23: error: services.app.networks: undeclared network `bakc` (did you mean `back`?)",
        "5:14: error: services.app.restart: conflicts with deploy.restart_policy",
        "4:21: error: services.app.container_name: 3 containers cannot share one name",
        "7:13: error: services.app.ports: 3 containers cannot share 1 host port (use a range of that size: \"8080-8082:…\"",
        "12:13: error: services.other.ports: host port 8080 is also used by app",
        "12:24: error: services.other.ports: `99999` is not a port",
    ];
    for (wrong, expected) in wrong.iter().zip(expected) {
        assert!(wrong.contains(expected), "{expected}\n{wrong}");
    }
    assert_eq!(wrong.len(), expected.len(), "{wrong:#?}");
    assert_eq!(
        found(&all.replace("front, bakc", "front"), None).len(),
        3,
        "one container may have a name"
    );
    assert!(found("version: '3'\n", None)[0].contains("services: there are no services"));
}

#[test]
fn variables_of_the_file_beside_the_project_are_set() {
    let text = "services:\n  app:\n    image: x:$TAG\n    ports: [\"${PORT}:80\", \"${HOST_PORT}:81\"]\n    command: [$NO]\n";
    let env = "# c\nTAG=1.2 # c\nexport PORT='99999'\nHOST_PORT=1\n";
    let wrong = rendered_with(
        &[("compose/docker-compose.yml", text), ("compose/.env", env)],
        None,
        None,
    )
    .1;
    assert!(
        wrong.len() == 2
            && wrong
                .iter()
                .any(|wrong| wrong.contains("variable NO is not set")),
        "{wrong:?}"
    );
    assert!(
        wrong.iter().any(|wrong| wrong.contains("99999")),
        "a value of the file is checked: {wrong:?}"
    );
}

#[test]
fn which_services_there_are_several_of() {
    let scale = |text: &str| {
        let (project, wrong) = rendered_with(&[("docker-compose.yml", text)], None, Some(3));
        (
            project.scale.into_keys().collect::<Vec<_>>().join(" "),
            wrong.len(),
        )
    };
    assert_eq!(
        scale("services: {a: {image: x, deploy: {replicas: 1}}, app: {image: x}}\n"),
        ("a".into(), 0)
    );
    assert_eq!(
        scale("services: {db: {image: x}, app: {image: x}}\n"),
        ("app".into(), 0)
    );
    assert_eq!(
        scale("services: {db: {image: x}, shop: {image: x}}\n"),
        ("shop".into(), 0)
    );
    assert_eq!(scale("services: {db: {image: x}}\n"), ("db".into(), 0));
    assert_eq!(
        scale("services: {db: {image: x}, cache: {image: x}}\n"),
        (String::new(), 1)
    );
}

/// Texts that YAML, Compose or a template may take for something else.
const TEXTS: &[&str] = &[
    "pa$$w",
    "x-$HOME",
    "${HOST_PORT}",
    "${HOST_PORT:-x}",
    "$",
    "$$",
    "a$",
    "$(id)",
    "abc1 #def",
    "#def",
    "a: b",
    "a:",
    ": ",
    "- a",
    "-",
    "? a",
    "[a, b]",
    "{a: b}",
    "{",
    "}",
    "]",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "`a`",
    "'",
    "\"",
    "it's",
    "say \"hi\"",
    "\\",
    "\\n",
    "a\\$b",
    " a",
    "a ",
    "\ta",
    "a\tb",
    "a\nb",
    "a\n",
    "\n",
    "a\n\n  b: $c\n",
    "yes",
    "No",
    "on",
    "y",
    "N",
    "true",
    "True",
    "null",
    "~",
    "",
    "0755",
    "1.10",
    "1e3",
    "0x1F",
    "1_000",
    "+5",
    "-5",
    "5",
    "1:30",
    "2001-01-01",
    ".inf",
    ".nan",
    "<<",
    "=",
    "---",
    "...",
    "a\u{7f}b",
    "a\u{85}b",
    "a\u{2028}b",
    "ünïcödé ☃",
    "{{ a }}",
    "{% a %}",
    "a,b",
    "|",
    ">",
    "a\rb",
    "http://h:80/p?q=$r&s#t",
];

#[test]
fn values_arrive_as_they_are_wherever_a_template_has_them() {
    let json = |text: &str| {
        minijinja::filters::tojson(
            &text.into(),
            None,
            std::iter::empty::<(String, minijinja::Value)>().collect(),
        )
        .unwrap()
        .to_string()
    };
    type Place<'a> = (&'a str, &'a dyn Fn(&str) -> String);
    let places: &[Place<'_>] = &[
        ("{{ v }}", &str::to_owned),
        ("\"{{ v }}\"", &str::to_owned),
        ("'{{ v }}'", &str::to_owned),
        ("pre-{{ v }}", &|v| format!("pre-{v}")),
        ("pre {{ v }} post", &|v| format!("pre {v} post")),
        ("{{ v }}{{ v2 }}", &|v| format!("{v}second $x")),
        ("\"${HOST_PORT}-{{ v }}\"", &|v| format!("8080-{v}")),
        ("{{ v | tojson }}", &str::to_owned),
        ("'{{ v | tojson }}'", &json),
        ("pre-{{ v | tojson }}", &|v| format!("pre-{}", json(v))),
        ("{{ [v, v2] | tojson | tojson }}", &|v| {
            format!("[{}, \"second $x\"]", json(v))
        }),
        ("{{ v | tojson | tojson }}", &json),
        ("{{ 'pre-' ~ v | default('x') }}", &|v| format!("pre-{v}")),
        ("{{ 'pre-' ~ v | upper ~ v2 }}", &|v| {
            format!("pre-{}second $x", v.to_uppercase())
        }),
        ("{{ v | upper }}", &str::to_uppercase),
        ("'{{ v | upper }}'", &str::to_uppercase),
        ("{{ v | replace('a', '#') }}", &|v| v.replace('a', "#")),
        ("x{{ v[1:] }}", &|v| {
            format!("x{}", v.chars().skip(1).collect::<String>())
        }),
        ("{% set x = v %}{{ x }}", &str::to_owned),
        ("{% set x %}{{ v }}{% endset %}{{ x }}", &str::to_owned),
        (
            "{% set x %}{{ v }}{% endset %}{{ x | upper }}",
            &str::to_uppercase,
        ),
        (
            "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(v) }}",
            &str::to_owned,
        ),
        ("&anchor {{ v }}", &str::to_owned),
    ];
    let mut refused = Vec::new();
    for text in TEXTS {
        for (place, expected) in places {
            let template = format!(
                "# {{{{ v }}}}\nservices:\n  app:\n    image: a\n    environment:\n      KEY: {place}\n    command: [\"sh\", {place}]\n    labels:\n      - {place}\n"
            );
            let template = if place.contains("&anchor") {
                template
                    .replace("[\"sh\", &anchor {{ v }}]", "[*anchor]")
                    .replace("- &anchor {{ v }}", "- *anchor")
            } else {
                template
            };
            let values = json!({ "v": text, "v2": "second $x" });
            let (project, wrong) = rendered_of(
                &[("compose/docker-compose.yml.j2", template.as_str())],
                &values,
                None,
                None,
            );
            if !wrong.is_empty() {
                assert!(
                    wrong
                        .iter()
                        .all(|wrong| wrong.contains("changes the value of v")),
                    "{place}: {text:?}: {wrong:?}"
                );
                refused.push(format!("{place}: {text:?}"));
                continue;
            }
            let read = Document::parse("", &project.files[0].1).unwrap_or_else(|wrong| {
                panic!("{place}: {text:?}: {wrong}: {}", project.files[0].1)
            });
            let app = read
                .root
                .get("services")
                .and_then(|services| services.get("app"))
                .unwrap();
            let items = |name: &str| {
                if let Data::List(items) = &app.get(name).unwrap().data {
                    items.clone()
                } else {
                    panic!("{name}")
                }
            };
            let expected = expected(text);
            let arrives = |node: &Node| match &node.data {
                Data::Bool(value) => value.to_string(),
                Data::Null => String::new(),
                _ => {
                    interpolate(node.written().unwrap(), &|name| {
                        (name == "HOST_PORT").then(|| "8080".to_owned())
                    })
                    .0
                }
            };
            let environment = app.get("environment").unwrap().get("KEY").unwrap();
            assert!(
                *text == "5" || *text == "-5" || environment.text().is_some(),
                "{place}: {text:?} is text: {environment:?}"
            );
            for node in [
                environment,
                items("command").last().unwrap(),
                &items("labels")[0],
            ] {
                assert_eq!(
                    arrives(node),
                    expected,
                    "{place}: {text:?}: {}",
                    project.files[0].1
                );
            }
        }
    }
    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn blocks_names_lists_and_numbers_arrive_as_they_are() {
    let template = "services:\n  app:\n    image: a\n    environment:\n{% for name, value in env.items() %}      {{ name }}: {{ value }}\n{% endfor %}    command: {{ list }}\n    configs:\n      text: |\n        a={{ v }}\n        b\n    mode: {{ mode }}\n    version: {{ version }}\n    count: {{ count * 2 }}\n    doubled: \"{{ price | replace('$', '$$') }}\"\n    privileged: {{ privileged }}\n    entrypoint: {{ empty }}\n";
    let values = json!({
        "env": { "A": "x # y", "a b: c": "$HOME", "yes": "no" }, "list": ["sh", "-c", "echo $HOME"], "v": "l $1\n  m", "mode": 755, "version": 1.1, "count": 3, "price": "5 $x", "privileged": "true", "empty": "",
    });
    let (project, wrong) = rendered_of(
        &[("compose/docker-compose.yml.j2", template)],
        &values,
        None,
        None,
    );
    assert_eq!(wrong, Vec::<String>::new());
    let text = &project.files[0].1;
    let read = Document::parse("", text).unwrap().root.to_json()["services"]["app"].clone();
    assert_eq!(
        read["environment"],
        json!({ "A": "x # y", "a b: c": "$$HOME", "yes": "no" }),
        "{text}"
    );
    assert_eq!(
        read["command"],
        json!(["sh", "-c", "echo $$HOME"]),
        "{text}"
    );
    assert_eq!(read["configs"]["text"], "a=l $$1\n  m\nb\n", "{text}");
    assert!(
        text.contains("mode: 0755\n")
            && text.contains("version: 1.10\n")
            && text.contains("count: 6\n"),
        "{text}"
    );
    assert_eq!(
        (&read["privileged"], &read["entrypoint"]),
        (&json!(true), &json!(null)),
        "{text}"
    );
    assert_eq!(
        read["doubled"], "5 $$x",
        "a template that doubles dollars has done what is needed: {text}"
    );
}

#[test]
fn a_value_that_is_a_piece_of_yaml_stays_one() {
    let template = "services:\n  app:\n    image: a\n{{ more }}\n    environment: { A: {{ v }} }\n    {{ nothing }}\n";
    let values =
        json!({ "more": "    ports:\n      - \"80:80\"\n", "v": "x $y # z", "nothing": "" });
    let (project, wrong) = rendered_of(
        &[("compose/docker-compose.yml.j2", template)],
        &values,
        None,
        None,
    );
    assert_eq!(wrong, Vec::<String>::new());
    let read = Document::parse("", &project.files[0].1)
        .unwrap()
        .root
        .to_json()["services"]["app"]
        .clone();
    assert_eq!(
        (&read["ports"], &read["environment"]),
        (&json!(["80:80"]), &json!({ "A": "x $$y # z" }))
    );
}

#[test]
fn what_expressions_make_of_values_may_be_yaml() {
    let template = r##"{% macro quoted(x) %}"{{ x }}"{% endmacro %}
{% macro service(name, port) %}
  {{ name }}:
    image: {{ image }}:{{ '%.1f' | format(1.5) }}
    ports: [{{ ports | join(', ') }}]
    environment:
      A: {{ quoted(plain) }}
      B: {{ '"' ~ plain ~ '"' }}
      C: {{ quoted(odd) }}
      D: {{ flag | lower }}
    {% filter indent(4, true) %}
labels:
    x: {{ odd }}
{% endfilter %}
    privileged: {{ flag | lower }}
    mem_limit: {{ (2 * 256) | string }}m
    cpus: {{ cpus | string }}
    {{ "stdin_open: " ~ flag | lower }}
    expose:
      {% for p in ports %}
      - {{ '"${BIND:-' ~ p ~ '}"' }}
      {% endfor %}
    logging:
      options: {{ options | tojson(indent=2) | indent(6) }}
    command: {{ ['-x', odd, '${HOST_PORT}'] | tojson }}
    entrypoint: {{ list | map('upper') | list | tojson }}
{% endmacro %}
services:
{{ service('app', 80) }}
"##;
    let values = json!({
        "image": "shop", "ports": [8080, 8081], "plain": "abc", "odd": "pa$w # x", "flag": true, "cpus": 0.5,
        "options": { "a": "x $y", "b": "\"" }, "list": ["a #b", "$c"],
    });
    let (project, wrong) = rendered_of(
        &[("compose/docker-compose.yml.j2", template)],
        &values,
        None,
        None,
    );
    let wrong: Vec<&String> = wrong
        .iter()
        .filter(|wrong| !wrong.contains("BIND"))
        .collect();
    assert_eq!(wrong, Vec::<&String>::new());
    let text = &project.files[0].1;
    let app = Document::parse("", text).unwrap().root.to_json()["services"]["app"].clone();
    assert_eq!(app["image"], "shop:1.5", "{text}");
    assert_eq!(app["ports"], json!([8080, 8081]), "{text}");
    assert_eq!(
        app["environment"],
        json!({ "A": "abc", "B": "abc", "C": "pa$$w # x", "D": "true" }),
        "{text}"
    );
    assert_eq!(app["labels"], json!({ "x": "pa$$w # x" }), "{text}");
    assert_eq!(
        (&app["privileged"], &app["cpus"], &app["stdin_open"]),
        (&json!(true), &json!(0.5), &json!(true)),
        "{text}"
    );
    assert_eq!(app["mem_limit"], "512m", "{text}");
    assert_eq!(
        app["expose"],
        json!(["${BIND:-8080}", "${BIND:-8081}"]),
        "{text}"
    );
    assert_eq!(
        app["logging"]["options"],
        json!({ "a": "x $$y", "b": "\"" }),
        "{text}"
    );
    assert_eq!(
        app["command"],
        json!(["-x", "pa$$w # x", "${HOST_PORT}"]),
        "{text}"
    );
    assert_eq!(app["entrypoint"], json!(["A #B", "$$C"]), "{text}");
}

#[test]
fn files_of_an_environment_lie_over_each_other() {
    let service = |name: &str| format!("services:\n  app:\n    image: a\n    labels: [{name}]\n");
    let texts = [service("main"), service("beside"), service("override")];
    let files = [
        ("compose/docker-compose.yml", texts[0].as_str()),
        ("compose/docker-compose.qa.yml", texts[1].as_str()),
        ("compose/overrides/qa.j2", texts[2].as_str()),
    ];
    let (project, wrong) = rendered_with(&files, Some("qa"), None);
    let names: Vec<&str> = project
        .files
        .iter()
        .map(|(path, _)| path.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "compose/docker-compose.yml",
            "compose/docker-compose.qa.yml",
            "compose/overrides/qa"
        ],
        "{wrong:?}"
    );
}

#[test]
fn values_in_blocks_numbers_and_odd_characters_arrive_as_they_are() {
    let template = r##"services:
  app:
    image: shop:{{ version }}
    environment:
      CERT: |
        {{ cert | indent(8) }}
      TRIMMED: |-
        {{ cert | trim | indent(8) }}
      JOINED: |
        {{ lines | join('\n        ') }}
      MOTD: |
        {{ motd }}
      KEPT: |+
        {{ motd }}
      VERSION: {{ version }}
      TIME: {{ hour }}:{{ minute }}
      BOTH: {{ hour }}.{{ minute }}
      ZERO: 0{{ minute }}
      HEX: {{ mask | tojson }}
      PORT: {{ minute }}
      NEL: "{{ nel }}"
      TAB: {{ tab }}
      JSON: {{ nel | tojson }}
    ports:
      - {{ minute }}:{{ hour }}
    cpus: {{ half }}
    mode: {{ mask }}
"##;
    let cert = "-----BEGIN-----\nMII$B\n  x # y\n-----END-----\n";
    let values = json!({
        "version": 1.1, "cert": cert, "lines": ["a $b", "c"], "motd": "hello\n", "hour": 2, "minute": 30, "mask": 755, "nel": "a\u{85}b", "tab": "a\tb", "half": 0.5,
    });
    let (project, wrong) = rendered_of(
        &[("compose/docker-compose.yml.j2", template)],
        &values,
        None,
        None,
    );
    assert_eq!(wrong, Vec::<String>::new());
    let text = &project.files[0].1;
    let app = Document::parse("", text).unwrap().root.to_json()["services"]["app"].clone();
    let environment = &app["environment"];
    let doubled = cert.replace('$', "$$");
    assert_eq!(environment["CERT"], doubled, "{text}");
    assert_eq!(environment["TRIMMED"], doubled.trim_end(), "{text}");
    assert_eq!(
        (
            &environment["JOINED"],
            &environment["MOTD"],
            &environment["KEPT"]
        ),
        (&json!("a $$b\nc\n"), &json!("hello\n"), &json!("hello\n\n")),
        "{text}"
    );
    for line in [
        "VERSION: \"1.10\"",
        "TIME: \"2:30\"",
        "BOTH: \"2.30\"",
        "ZERO: \"030\"",
        "HEX: \"0755\"",
        "PORT: 30",
        "- \"30:2\"",
        "cpus: 0.5",
        "mode: 0755",
        "NEL: \"a\\u0085b\"",
        "TAB: \"a\\tb\"",
        "JSON: \"a\\u0085b\"",
        "image: shop:1.10",
    ] {
        assert!(
            text.lines().any(|known| known.trim() == line),
            "{line}: {text}"
        );
    }
}

#[test]
fn an_if_without_else_is_nothing_undefined() {
    let template = "services:\n  app:\n    image: a\n    labels: [{% for x in ['a', 'b'] %}{{ x }}{{ ', ' if not loop.last }}{% endfor %}]\n";
    let (project, wrong) =
        rendered_with(&[("compose/docker-compose.yml.j2", template)], None, None);
    assert_eq!(wrong, Vec::<String>::new());
    assert!(
        project.files[0].1.contains("labels: [a, b]"),
        "{}",
        project.files[0].1
    );
    let wrong = rendered_with(
        &[(
            "compose/docker-compose.yml.j2",
            &template.replace("{{ x }}", "{{ x }}{{ nothing }}"),
        )],
        None,
        None,
    )
    .1;
    assert!(
        wrong
            .iter()
            .any(|wrong| wrong.contains("an undefined value renders as an empty string")),
        "{wrong:?}"
    );
}

#[test]
fn templates_include_what_is_below_their_directory() {
    let files = [
        (
            "compose/docker-compose.yml.j2",
            "services:\n  app:\n    image: a\n{% include 'inc/labels.j2' %}\n{% include './more.j2' %}\n{% include 'compose/inc/env.j2' %}\n{% include 'base.j2' %}\n",
        ),
        ("compose/inc/labels.j2", "    labels: [a]"),
        ("compose/more.j2", "    restart: always"),
        ("compose/inc/env.j2", "    environment: [A=1]"),
        ("templates/base.j2", "    tty: true"),
    ];
    let (project, wrong) = rendered_with(&files, None, None);
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(
        project.files[0].1.lines().count(),
        7,
        "{}",
        project.files[0].1
    );
}
