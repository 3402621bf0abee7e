//! Bytes as what other systems send: an index of rocks, a rockspec, a README, the configuration of
//! a server, versions and requirements. Reading ends, and what is read holds together.
#![no_main]

use hoist_sources::directory::{ModuleFile, ModuleInfo};
use hoist_sources::{Requirement, Version, lua, prosody, readme, rocks};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let _ = lua::read(&text);
    if let Ok(rocks) = rocks::manifest(&text) {
        for (name, offers) in rocks {
            assert!(!name.contains('/') && !name.starts_with('.'));
            for pair in offers.windows(2) {
                assert!(Version::new(&pair[0].version) >= Version::new(&pair[1].version));
            }
        }
    }
    let _ = rocks::rockspec(&text);
    let info = ModuleInfo::read(&text);
    assert!(info.requires.iter().all(|name| hoist_core::is_class_name(name)));
    if let Ok(file) = ModuleFile::parse(&text) {
        assert!(file.installer.is_none_or(|path| std::path::Path::new(&path).components().all(|part| matches!(part, std::path::Component::Normal(_)))));
    }
    let head = readme::head(&text);
    assert!(text.is_char_boundary(head.body) && head.body <= text.len());
    if let Ok(configuration) = prosody::read(&text)
        && let Some(changed) = configuration.enable(&text, "mod_new")
    {
        let after = prosody::read(&changed).expect("what was written can be read");
        assert!(after.enables("new"));
    }
    for line in text.lines().take(20) {
        if let Some(requirement) = Requirement::new(line) {
            let _ = requirement.range.contains(&Version::new("1.0-1"));
            let _ = requirement.range.complement().intersection(&requirement.range);
        }
        let (a, b) = (Version::new(line), Version::new(line.split(' ').next().unwrap_or_default()));
        assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
    }
});
