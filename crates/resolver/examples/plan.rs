//! From two manifests to a plan, without touching the machine.

use hoist_core::format::{Format, native::TomlModules};
use hoist_core::{Action, Catalog, Environment, Manifest, Presence, Request, Selection};

fn main() {
    let mut catalog = Catalog::default();
    for (name, needs) in [("app", "'base'"), ("base", "")] {
        let text = format!("description = 'x'\ninstall.npm = []\ndepends = [{needs}]");
        let manifest = Manifest::of_text(format!("modules/{name}.toml"), text);
        let environment = Environment::with_home("/home/me");
        catalog.add(name, TomlModules.parse(&manifest, &environment));
    }
    let request = Request::new(Action::Install, Selection::Names(vec!["app".into()]));
    let installed = Default::default();
    let resolution = hoist_resolver::resolve(&catalog, &installed, &request).expect("sound");
    let look = |_: &_| Presence::Unknown;
    let plan = hoist_resolver::plan(&resolution, &installed, look, &request);
    let order = plan.modules.iter().map(|planned| planned.module.as_str());
    assert_eq!(order.collect::<Vec<_>>(), ["base", "app"]);
}
