use super::*;
use crate::directory::InMemory;

fn directory(files: &[(&str, &str)]) -> (Plugin, InMemory) {
    let mut all = vec![("plugin.yml", "name: shop\nversion: 1.0.0\n")];
    all.extend(files);
    let directory = InMemory::new("/p/shop", &all);
    (Plugin::read(&directory).0.unwrap(), directory)
}

fn rendered_with(files: &[(&str, &str)], environment: Option<&str>, replicas: Option<u32>) -> (Project, Vec<String>) {
    let (plugin, directory) = directory(files);
    let values = json!({ "server": { "port": 8080 }, "app": { "secret_key": "it's: a \"key\"" } });
    let variables = [("HOST_PORT".to_owned(), "8080".to_owned())].into();
    let surroundings = hoist_core::Environment::with_home("/h");
    let rendering = Rendering {
        plugin: &plugin,
        values: &values,
        variables: &variables,
        surroundings: &surroundings,
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
        ("compose/docker-compose.prod.yml", "services:\n  app:\n    restart: always\n"),
        ("compose/docker-compose.override.yml", "services:\n  app:\n    labels: [a]\n"),
    ];
    let (project, wrong) = rendered_with(&files, Some("production"), None);
    assert_eq!(wrong, Vec::<String>::new());
    let names: Vec<&str> = project.files.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(names, ["compose/docker-compose.yml", "compose/docker-compose.override.yml", "compose/docker-compose.prod.yml"]);
    assert!(project.files[0].1.contains("image: shop:1.0.0") && project.files[0].1.contains("# included"), "{}", project.files[0].1);
    let read = Document::parse("", &project.files[0].1).unwrap().root.to_json();
    assert_eq!(read["services"]["app"]["environment"]["KEY"], "it's: a \"key\"", "a value with quotes survives");
    let broken = |text: &str| rendered_with(&[("compose/docker-compose.yml.j2", text)], None, None).1.join("\n");
    assert!(
        broken("services:\n  app:\n    image: {{ nothing.here }}\n").contains("docker-compose.yml.j2:3:"),
        "{}",
        broken("a\nb\n{{ nothing.here }}")
    );
    assert!(broken("{% for x in range(1000000000) %}{% endfor %}").contains("error"));
    assert!(broken("{% for x in range(9999) %}{% for x in range(9999) %}{% endfor %}{% endfor %}").contains("does not come to an end"));
    assert!(broken("{% include '/etc/passwd' %}").contains("cannot be rendered"));
    assert!(broken("{% include '../plugin.yml' %}").contains("cannot be rendered"));
    assert!(broken("{{ x").contains("cannot be rendered"));
    assert!(broken("a: [").contains("that is what the template comes to"));
}

#[test]
fn what_compose_does_not_find_is_found() {
    let port = |port: &str| found(&format!("services:\n  app:\n    image: x\n    ports: [\"{port}\"]\n"), None).join("\n");
    for good in ["80", "8080:80", "127.0.0.1:8080:80/udp", "8080-8089:80", ":80", "${HOST_PORT}:80", "${NO:-90}:80", "[::1]:80:80", "0:80"]
    {
        assert_eq!(port(good), "", "{good}");
    }
    for bad in ["99999:80", "80:0", "a:80", "90-80:80", "8080:70000"] {
        assert!(port(bad).contains("docker-compose.yml:4:13: error: services.app.ports:"), "{bad}: {}", port(bad));
    }
    assert!(port("${NO}:80").contains("warning: services.app.ports: the variable NO is not set"), "{}", port("${NO}:80"));
    assert!(port("${NO:?give it}:80").contains("error: services.app.ports: the variable NO is not set: give it"));
    let all = "services:\n  app:\n    image: x\n    container_name: one\n    restart: always\n    networks: [front, bakc]\n    ports: [\"8080:80\"]\n    deploy:\n      restart_policy: { max_attempts: 3 }\n  other:\n    image: x\n    ports: [\"8080:81\", {target: 99999}]\nnetworks: {front: {}, back: {}}\n";
    let wrong = found(all, Some(3));
    let expected = [
        "6:23: error: services.app.networks: there is no network `bakc` (did you mean `back`?)",
        "5:14: error: services.app.restart: does not go together with deploy.restart_policy",
        "4:21: error: services.app.container_name: 3 containers cannot have one name",
        "7:13: error: services.app.ports: 3 containers cannot share 1 port of this machine (give as many: \"8080-8082:…\"",
        "12:13: error: services.other.ports: port 8080 of this machine is also that of app",
        "12:24: error: services.other.ports: `99999` is no port",
    ];
    for (wrong, expected) in wrong.iter().zip(expected) {
        assert!(wrong.contains(expected), "{expected}\n{wrong}");
    }
    assert_eq!(wrong.len(), expected.len(), "{wrong:#?}");
    assert_eq!(found(&all.replace("front, bakc", "front"), None).len(), 3, "one container may have a name");
    assert!(found("version: '3'\n", None)[0].contains("services: there is none"));
}

#[test]
fn which_services_there_are_several_of() {
    let scale = |text: &str| {
        let (project, wrong) = rendered_with(&[("docker-compose.yml", text)], None, Some(3));
        (project.scale.into_keys().collect::<Vec<_>>().join(" "), wrong.len())
    };
    assert_eq!(scale("services: {a: {image: x, deploy: {replicas: 1}}, app: {image: x}}\n"), ("a".into(), 0));
    assert_eq!(scale("services: {db: {image: x}, app: {image: x}}\n"), ("app".into(), 0));
    assert_eq!(scale("services: {db: {image: x}, shop: {image: x}}\n"), ("shop".into(), 0));
    assert_eq!(scale("services: {db: {image: x}}\n"), ("db".into(), 0));
    assert_eq!(scale("services: {db: {image: x}, cache: {image: x}}\n"), (String::new(), 1));
}
