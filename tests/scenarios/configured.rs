//! How a plugin is configured: which files count, what takes a value away, and what is said of
//! files that are not used.

use std::os::unix::fs::PermissionsExt;

use hoist_tests::Sandbox;

/// A plugin deployed by a script that writes its variables to `ran` in the home directory.
fn shop(sandbox: &Sandbox, defaults: &str, schema: &str) {
    let manifest = "name: shop\nversion: 1.0.0\nconfig:\n  defaults: config/defaults.yaml\n";
    let schema_key = if schema.is_empty() {
        ""
    } else {
        "  schema: config/schema.json\n"
    };
    sandbox
        .write("plugins/shop/plugin.yml", &format!("{manifest}{schema_key}"))
        .write("plugins/shop/config/defaults.yaml", defaults)
        .write(
            "plugins/shop/scripts/deploy.sh",
            "#!/bin/bash\nenv | grep ^CONFIG_ | sort > \"$HOME/ran\"; cp \"$HOIST_CONFIG\" \"$HOME/values\"\n",
        );
    if !schema.is_empty() {
        sandbox.write("plugins/shop/config/schema.json", schema);
    }
    let script = sandbox.collection().join("plugins/shop/scripts/deploy.sh");
    std::fs::set_permissions(script, PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_value_is_what_the_file_says_and_null_takes_it_away() {
    let sandbox = Sandbox::new();
    let schema = r#"{ "type": "object", "properties": {
        "port": { "type": "integer", "default": 80 },
        "gateway": { "type": "object", "properties": { "socket": { "type": "string", "default": "/var/run/docker.sock" } } },
        "proxy": { "type": "object", "default": { "on": true }, "properties": { "on": { "type": "boolean" }, "size": { "type": "integer", "default": 5 } } },
        "umask": { "type": "integer" } } }"#;
    shop(
        &sandbox,
        "port: 8080\ngateway: { socket: /run/x.sock }\nflag: n\nversion: 1.10\nmode: 0755\numask: 0022\n",
        schema,
    );
    sandbox.hoist("plugin deploy shop").exits(0);
    let ran = sandbox.read("ran");
    for line in [
        "CONFIG_FLAG=n",
        "CONFIG_VERSION=1.10",
        "CONFIG_MODE=0755",
        "CONFIG_UMASK=0022",
        "CONFIG_PORT=8080",
        "CONFIG_GATEWAY_SOCKET=/run/x.sock",
    ] {
        assert!(ran.lines().any(|known| known == line), "{line}: {ran}");
    }
    assert!(
        !ran.contains("CONFIG_PROXY"),
        "a default creates no object: {ran}"
    );
    let values: serde_json::Value = serde_json::from_str(&sandbox.read("values")).unwrap();
    assert_eq!(
        (&values["mode"], &values["umask"], &values["flag"]),
        (&"0755".into(), &22.into(), &"n".into())
    );
    sandbox
        .hoist("plugin config shop")
        .exits(0)
        .says("1.10")
        .says("0755");
    // What a person takes away does not come back, not as a default of the schema either.
    let own = sandbox.put("own.yaml", "gateway: null\nport: ~\nproxy: {}\nodd: 0x1F\n");
    sandbox
        .hoist(&format!("plugin deploy shop --config {}", own.display()))
        .exits(0);
    let ran = sandbox.read("ran");
    assert!(
        !ran.contains("GATEWAY")
            && !ran.contains("CONFIG_PORT=")
            && ran.contains("CONFIG_PROXY_SIZE=5\n"),
        "{ran}"
    );
    assert!(ran.contains("CONFIG_ODD=0x1F\n"), "{ran}");
    // An upgrade is configured as before, down to the spelling.
    sandbox.write(
        "plugins/shop/plugin.yml",
        &sandbox_manifest(&sandbox).replace("1.0.0", "1.1.0"),
    );
    sandbox.hoist("plugin upgrade shop").exits(0);
    let upgraded = sandbox.read("ran");
    assert_eq!(upgraded, ran);
}

fn sandbox_manifest(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.collection().join("plugins/shop/plugin.yml")).unwrap()
}

#[test]
fn files_in_config_are_no_profiles_unless_they_are_asked_for() {
    let sandbox = Sandbox::new();
    shop(&sandbox, "port: 8080\n", "");
    sandbox
        .write(
            "plugins/shop/config/datamapping.yaml",
            "{% for x in y %}\n- {{ x }}: [\n{% endfor %}\n",
        )
        .write("plugins/shop/config/edge.yaml", "port: 9090\n");
    sandbox
        .hoist("plugin validate shop")
        .exits(0)
        .says("ok, 0 warnings");
    sandbox.hoist("validate").exits(0);
    sandbox.hoist("plugin deploy shop --env edge").exits(0);
    assert!(sandbox.read("ran").contains("CONFIG_PORT=9090"));
    sandbox
        .hoist("plugin validate shop --env datamapping")
        .exits(2)
        .says("datamapping.yaml");
    sandbox.write("plugins/shop/config/production.yaml", "port: [\n");
    sandbox
        .hoist("plugin validate shop")
        .exits(2)
        .says("production.yaml");
}

#[test]
fn files_that_are_not_used_are_named_and_a_deployment_of_nothing_is_refused() {
    let sandbox = Sandbox::new();
    sandbox
        .write("plugins/shop/plugin.yml", "name: shop\nversion: 1.0.0\n")
        .write("plugins/shop/scripts/deploy.sh.j2", "echo {{ x }}\n")
        .write("plugins/shop/compose/shop.yml.j2", "services: {}\n");
    sandbox
        .hoist("plugin validate shop")
        .exits(0)
        .says("scripts/deploy.sh.j2 is not used")
        .says("compose/shop.yml.j2 is not used: the main file compose/docker-compose.yml does not exist");
    sandbox
        .hoist("plugin deploy shop")
        .exits(2)
        .says("shop: the plugin has nothing to deploy")
        .says("scripts/deploy.sh, or a `pre-deploy`");
    assert!(!sandbox.has(".local/share/hoist/plugins/shop"));
    sandbox.hoist("plugin install shop").exits(0);
    sandbox
        .write(
            "plugins/shop/compose/docker-compose.yml.j2",
            "services:\n  app:\n    image: a\n{% include 'part.txt.j2' %}\n",
        )
        .write("plugins/shop/compose/part.txt.j2", "    labels: [part]\n")
        .write(
            "plugins/shop/compose/overrides/prod.yml.j2",
            "services:\n  app:\n    image: {{ plugin.name }}-of-production\n",
        )
        .write(
            "plugins/shop/compose/overrides/edge.yaml",
            "services:\n  app:\n    image: of-the-edge\n",
        )
        .write("plugins/shop/config/edge.yaml", "{}\n");
    let validated = sandbox
        .hoist("plugin validate shop")
        .exits(0)
        .says("compose/shop.yml.j2 is not used: Docker Compose reads docker-compose.yml");
    assert!(
        !validated.stderr.contains("part.txt.j2 is not used")
            && !validated.stderr.contains("overrides/prod"),
        "{}",
        validated.stderr
    );
    sandbox
        .hoist("plugin deploy shop --dry-run --env production")
        .exits(0)
        .says("image: shop-of-production");
    sandbox
        .hoist("plugin deploy shop --dry-run --env edge")
        .exits(0)
        .says("image: of-the-edge")
        .says("labels: [part]");
    let plain = sandbox.hoist("plugin deploy shop --dry-run").exits(0);
    assert!(!plain.stdout.contains("of-"), "{}", plain.stdout);
}

#[test]
fn a_default_password_that_is_not_used_is_no_secret() {
    let sandbox = Sandbox::new();
    shop(
        &sandbox,
        "database: { password: postgres, image: \"postgres:13\" }\n",
        "",
    );
    sandbox.write(
        "plugins/shop/scripts/deploy.sh",
        "#!/bin/bash\necho \"pulling $CONFIG_DATABASE_IMAGE with $CONFIG_DATABASE_PASSWORD\"\n",
    );
    sandbox
        .hoist("plugin deploy shop -v --set database.password=another-one")
        .exits(0)
        .says("pulling postgres:13 with •••");
    sandbox
        .hoist("plugin deploy shop -v")
        .exits(0)
        .says("pulling •••:13 with •••");
}
