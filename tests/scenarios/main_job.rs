//! The first command of the README, on the real collection, in homes of every kind.

use std::path::Path;

use hoist_tests::{Sandbox, has};

#[test]
fn the_workstation_installs_tests_and_stays() {
    if !has("git") || !has("pip3") || !has("apt-get") {
        return;
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("examples/workstation");
    let collection = examples.display();
    for home in ["home", "a home"] {
        let sandbox = Sandbox::named(home);
        let ran = sandbox
            .json(&format!("-C {collection} install --all"))
            .exits(0);
        let statuses = ran.statuses();
        assert!(statuses.len() >= 12, "{statuses:?}");
        assert!(
            statuses
                .values()
                .all(|status| status == "installed" || status == "unchanged"),
            "{statuses:?}"
        );
        assert!(
            sandbox
                .read(".config/workstation/motd")
                .contains("hello from hoist")
        );
        assert!(
            sandbox.has(".dotfiles/aliases.sh")
                && sandbox.has(".local/share/prompt/prompt.sh")
                && sandbox.has(".local/bin/note")
        );
        let (again, calls) = if has("strace") {
            sandbox.traced(
                &format!("-C {collection} install --all --output json"),
                "execve",
            )
        } else {
            (
                sandbox.json(&format!("-C {collection} install --all")),
                vec![String::new()],
            )
        };
        assert!(
            again
                .exits(0)
                .statuses()
                .values()
                .all(|status| status == "unchanged")
        );
        assert_eq!(calls.len(), 1, "{calls:?}");
        let tested = sandbox
            .json(&format!("-C {collection} test"))
            .exits(0)
            .statuses();
        assert_eq!(tested.len(), statuses.len());
        let list = sandbox.json(&format!("-C {collection} list")).document();
        let tiers: std::collections::BTreeSet<&str> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["tier"].as_str().unwrap())
            .collect();
        let methods: std::collections::BTreeSet<&str> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["method"].as_str().unwrap())
            .collect();
        assert_eq!(
            tiers.into_iter().collect::<Vec<_>>(),
            ["core", "default", "optional"]
        );
        assert_eq!(
            methods.into_iter().collect::<Vec<_>>(),
            [
                "custom",
                "download_script",
                "git_clone",
                "package_manager",
                "pip"
            ]
        );
    }
}
