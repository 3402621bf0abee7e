//! From two manifests to a plan, without touching the machine.

use std::path::PathBuf;

use hoist_core::format::{Format, shell::ShellModules};
use hoist_core::{
    Action, Catalog, Environment, Installed, Manifest, ManifestFile, Presence, Request, Selection,
};

fn main() {
    let mut catalog = Catalog::default();
    for (name, needs) in [("app", "base"), ("base", "")] {
        let script = format!(
            "# Metadata: START\nMODULE_NAME={name}\nMODULE_DESCRIPTION=x\nMODULE_ENABLED_BY_DEFAULT=true\nMODULE_IS_CORE=false\n\
             MODULE_INSTALL_METHOD=package_manager\nMODULE_UNINSTALL_DIRS=\nMODULE_DEPENDS={needs}\n# Metadata: END\n"
        );
        let file = ManifestFile {
            path: PathBuf::from(format!("modules/{name}.sh")),
            content: Ok(script.into_bytes()),
        };
        let manifest = Manifest {
            name: name.into(),
            source: "example".into(),
            root: PathBuf::new(),
            files: vec![file],
        };
        catalog.add(
            name,
            ShellModules.parse(&manifest, &Environment::with_home("/home/me")),
        );
    }
    let request = Request::new(Action::Install, Selection::Names(vec!["app".into()]));
    let installed = Installed::default();
    let resolution =
        hoist_resolver::resolve(&catalog, &installed, &request).expect("nothing is missing");
    let plan = hoist_resolver::plan(&resolution, &installed, |_| Presence::Unknown, &request);
    let order: Vec<&str> = plan
        .modules
        .iter()
        .map(|planned| planned.module.as_str())
        .collect();
    assert_eq!(order, ["base", "app"]);
}
