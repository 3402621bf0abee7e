//! The binary, end to end, on real input.

mod again;
mod application_edges;
mod application_faults;
mod application_kills;
mod applications;
mod apt;
mod bounds;
mod cancel;
mod cargo;
mod community;
mod compose;
mod config;
mod configured;
mod crash;
mod failure;
mod faults;
mod first_contact;
mod git;
mod git_updates;
mod git_user;
mod golden;
mod histories;
mod host_faults;
mod hostile;
mod hosts;
mod kept;
mod killed;
mod ledgers;
mod look;
mod main_job;
mod npm;
mod output;
mod ownership;
mod pages;
mod pip;
mod plugins;
mod private;
mod prosody;
mod purity;
mod reading;
mod releases;
mod rocks;
mod sandbox;
mod screen;
mod script;
mod selection;
mod shell;
mod source_edges;
mod source_faults;
mod sources;
mod state;
mod toml_modules;
mod truth;
mod undo;
mod uninstall;
mod update;
mod user_tools;

#[test]
fn every_file_of_scenarios_is_listed() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let text = std::fs::read_to_string(here.join("main.rs")).unwrap();
    for file in std::fs::read_dir(here).unwrap().flatten() {
        let stem = file
            .path()
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        assert!(
            stem == "main" || text.contains(&format!("mod {stem};")),
            "{stem} is not listed"
        );
    }
}
