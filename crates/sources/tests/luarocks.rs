//! Versions are compared as LuaRocks compares them.

use std::collections::BTreeSet;

use hoist_sources::{Requirement, Version};

const TABLE: &str = include_str!("luarocks.txt");

fn without_revision(text: &str) -> &str {
    text.rsplit_once('-')
        .filter(|(_, revision)| revision.parse::<u32>().is_ok())
        .map_or(text, |(main, _)| main)
}

fn is_vague(text: &str) -> bool {
    without_revision(text) == text
}

#[test]
fn versions_are_what_luarocks_says() {
    let lines = || TABLE.lines().filter(|line| !line.starts_with('#'));
    let orders: Vec<(&str, BTreeSet<&str>)> = lines()
        .filter_map(|line| line.split_once(" > "))
        .filter(|(version, _)| !version.contains(' '))
        .map(|(version, lower)| (version, lower.split(' ').collect()))
        .collect();
    let versions: Vec<&str> = orders.iter().map(|(version, _)| *version).collect();
    assert!(versions.len() > 40);
    let mut wrong = Vec::new();
    for (version, lower) in &orders {
        for other in &versions {
            // LuaRocks takes a version without a revision for equal to one with any.
            let (one, two) = (Version::new(version), Version::new(other));
            if is_vague(version) != is_vague(other) {
                continue;
            }
            // What it holds for as large has some order here, so that the two are different.
            let is_lower = |version: &str, than: &str| {
                orders
                    .iter()
                    .any(|(known, lower)| *known == than && lower.contains(version))
            };
            if !is_lower(version, other) && !is_lower(other, version) {
                continue;
            }
            if (two < one) != lower.contains(other) {
                wrong.push(format!("{version} > {other}: {}", lower.contains(other)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} {wrong:#?}", wrong.len());
    let mut checked = 0;
    for (constraint, fitting) in lines().filter_map(|line| line.split_once(" :")) {
        let fitting: BTreeSet<&str> = fitting.split_whitespace().collect();
        let requirement = Requirement::new(&format!("x {constraint}")).unwrap();
        let (operator, asked) = constraint.split_once(' ').unwrap();
        for version in &versions {
            // It looks at the revision of what begins with the same parts. To take more is no harm.
            let is_revision =
                is_vague(version) && !is_vague(asked) || operator == "~>" && !is_vague(asked);
            if is_revision {
                continue;
            }
            checked += 1;
            if requirement.accepts(&Version::new(version)) != fitting.contains(version) {
                wrong.push(format!(
                    "{version} {constraint}: {}",
                    fitting.contains(version)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {checked}: {wrong:#?}", wrong.len());
    assert!(checked > 4000);
}
