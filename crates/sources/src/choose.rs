//! Which versions of rocks go together: the newest of what is asked for, with all it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;

use pubgrub::{
    DefaultStringReporter, Dependencies, DependencyProvider, PackageResolutionStatistics,
    PubGrubError, Ranges, Reporter,
};

use crate::index::{Index, Offer};
use crate::version::{Range, Requirement, Version};

/// A version that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenRock {
    /// Of what.
    pub name: String,
    /// Which version, and what is fetched for it.
    pub offer: Offer,
    /// The names of what it needs.
    pub needs: Vec<String>,
}

/// Why no versions go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RockConflict {
    /// Something needs what the source does not have: by whom, and what.
    Missing(String, String),
    /// The reasons, a line each.
    Derived(String),
    /// Something in the tree needs it in another version: what, in which version, by whom, and as
    /// what.
    Needed(String, String, String, String),
}

impl fmt::Display for RockConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RockConflict::Missing(by, what) => write!(
                f,
                "{by} depends on {what}, which its server does not provide"
            ),
            RockConflict::Derived(reasons) => f.write_str(reasons),
            RockConflict::Needed(name, version, by, constraint) => {
                write!(
                    f,
                    "the installed {by} depends on {name} {constraint}, not {version}"
                )
            }
        }
    }
}

impl std::error::Error for RockConflict {}

/// What every Lua brings.
pub(crate) const PROVIDED: &[&str] = &["lua", "utf8"];

/// A rock that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RockRequest {
    /// Its name.
    pub name: String,
    /// Its version, where a certain one is asked for; without a revision every revision of it will
    /// do.
    pub version: Option<String>,
}

impl RockRequest {
    /// Asks for a rock in any version.
    pub fn any(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: None,
        }
    }

    /// True for the name that is asked for, in any case; `mod_` before it may be left out.
    pub fn is_called(&self, name: &str) -> bool {
        [Some(name), name.strip_prefix("mod_")]
            .into_iter()
            .flatten()
            .any(|name| name.eq_ignore_ascii_case(&self.name))
    }

    /// True for a version that is asked for.
    pub fn accepts(&self, version: &str) -> bool {
        self.version.as_deref().is_none_or(|asked| {
            let rest = version.strip_prefix(asked);
            rest.is_some_and(|rest| {
                rest.is_empty()
                    || rest
                        .strip_prefix('-')
                        .is_some_and(|revision| revision.bytes().all(|byte| byte.is_ascii_digit()))
            })
        })
    }
}

/// The rocks of a tree that stay where they will do, and what each of its rocks needs.
#[derive(Debug, Clone, Default)]
pub struct InstalledRocks {
    /// The versions, by name.
    pub installed: BTreeMap<String, String>,
    /// What they need, by the names of those that need it.
    pub needs: BTreeMap<String, Vec<Requirement>>,
}

/// Chooses versions of what is asked for and of all it needs. What is in the tree stays as it is
/// where that will do, also where the source does not have it, and is not left without what it
/// needs. Of the names in `provided` every version is there, and nothing is chosen.
///
/// # Errors
/// Names that the source does not have, and requirements that exclude each other.
pub fn choose(
    index: &Index,
    asked: &[RockRequest],
    tree: &InstalledRocks,
    provided: &BTreeSet<String>,
) -> Result<Vec<ChosenRock>, RockConflict> {
    let mut limits: BTreeMap<String, Vec<Requirement>> = BTreeMap::new();
    let mut broken: Option<RockConflict> = None;
    loop {
        let chosen = choose_within(index, asked, &tree.installed, provided, &limits);
        let choices = match (chosen, broken) {
            // Without that it would have been possible.
            (Err(_), Some(broken)) => return Err(broken),
            (chosen, _) => chosen?,
        };
        let found = unmet(&choices, tree);
        let Some((by, requirement, version)) = found.first() else {
            return Ok(choices);
        };
        let (name, constraint) = (requirement.name.clone(), requirement.constraint.clone());
        let conflict =
            RockConflict::Needed(name, (*version).to_owned(), (*by).to_owned(), constraint);
        let is_new = |requirement: &Requirement| {
            !limits
                .get(&requirement.name)
                .is_some_and(|known| known.contains(requirement))
        };
        if !found.iter().any(|(_, requirement, _)| is_new(requirement)) {
            return Err(conflict);
        }
        for (_, requirement, _) in &found {
            limits
                .entry(requirement.name.clone())
                .or_default()
                .push((*requirement).clone());
        }
        broken = Some(conflict);
    }
}

/// What rocks that stay in the tree need and would not have: by whom, what, and the version that
/// was chosen.
fn unmet<'t>(
    choices: &'t [ChosenRock],
    tree: &'t InstalledRocks,
) -> Vec<(&'t str, &'t Requirement, &'t str)> {
    let chosen: BTreeMap<&str, &str> = choices
        .iter()
        .map(|choice| (choice.name.as_str(), choice.offer.version.as_str()))
        .collect();
    let stays = |name: &String| {
        tree.installed.get(name).is_some_and(|there| {
            chosen
                .get(name.as_str())
                .is_none_or(|version| there == version)
        })
    };
    let needs = tree
        .needs
        .iter()
        .filter(|(name, _)| stays(name))
        .flat_map(|(name, needs)| needs.iter().map(move |need| (name, need)));
    let unmet = needs.filter_map(|(by, requirement)| {
        let version = chosen.get(requirement.name.as_str())?;
        let is_there = tree
            .installed
            .get(&requirement.name)
            .is_some_and(|there| there == version);
        (!is_there && !requirement.accepts(&Version::new(version))).then_some((
            by.as_str(),
            requirement,
            *version,
        ))
    });
    unmet.collect()
}

fn choose_within(
    index: &Index,
    asked: &[RockRequest],
    installed: &BTreeMap<String, String>,
    provided: &BTreeSet<String>,
    limits: &BTreeMap<String, Vec<Requirement>>,
) -> Result<Vec<ChosenRock>, RockConflict> {
    let provider = Provider {
        index,
        asked,
        installed,
        provided,
        limits,
    };
    let chosen = match pubgrub::resolve(&provider, Package::RockRequest, Version::new("")) {
        Ok(chosen) => chosen,
        Err(PubGrubError::NoSolution(mut tree)) => {
            if let Some(missing) = provider.missing() {
                return Err(missing);
            }
            tree.collapse_no_versions();
            let reasons = DefaultStringReporter::report(&tree);
            return Err(RockConflict::Derived(
                reasons
                    .replace("the request  ", "the request ")
                    .replace(" is forbidden", " is not available"),
            ));
        }
        Err(error) => return Err(RockConflict::Derived(error.to_string())),
    };
    let mut choices: Vec<ChosenRock> = Vec::new();
    for (package, version) in chosen {
        let Package::Rock(name) = package else {
            continue;
        };
        let there = || Offer {
            version: version.as_str().to_owned(),
            depends: Some(Vec::new()),
            archive: String::new(),
        };
        let offer = provider
            .offer(&name, &version)
            .cloned()
            .unwrap_or_else(there);
        let needs = provider
            .requirements(&offer)
            .map(|requirement| requirement.name)
            .collect();
        choices.push(ChosenRock { name, offer, needs });
    }
    choices.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(choices)
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Package {
    RockRequest,
    Rock(String),
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Package::RockRequest => f.write_str("the request"),
            Package::Rock(name) => f.write_str(name),
        }
    }
}

struct Provider<'a> {
    index: &'a Index,
    asked: &'a [RockRequest],
    installed: &'a BTreeMap<String, String>,
    provided: &'a BTreeSet<String>,
    /// What others need of these names.
    limits: &'a BTreeMap<String, Vec<Requirement>>,
}

impl Provider<'_> {
    fn requirements(&self, offer: &Offer) -> impl Iterator<Item = Requirement> {
        let depends = offer.depends.clone().unwrap_or_default();
        let is_there = |name: &str| PROVIDED.contains(&name) || self.provided.contains(name);
        depends
            .into_iter()
            .filter_map(|text| Requirement::new(&text))
            .filter(move |requirement| !is_there(&requirement.name))
    }

    fn offers(&self, name: &str) -> &[Offer] {
        self.index.get(name).map_or(&[], |entry| &entry.offers)
    }

    fn offer(&self, name: &str, version: &Version) -> Option<&Offer> {
        self.offers(name)
            .iter()
            .find(|offer| Version::new(&offer.version) == *version)
    }

    /// What a requirement takes of what there is.
    fn fitting(&self, requirement: &Requirement) -> Range {
        let there = self
            .installed
            .get(&requirement.name)
            .map(|version| Version::new(version));
        let offered = self
            .offers(&requirement.name)
            .iter()
            .map(|offer| Version::new(&offer.version));
        requirement.range_among(offered.chain(there))
    }

    /// What others leave of the versions of a rock.
    fn limited(&self, name: &str) -> Range {
        let limits = self.limits.get(name).into_iter().flatten();
        limits.fold(Ranges::full(), |range, requirement| {
            range.intersection(&self.fitting(requirement))
        })
    }

    /// The versions of a rock that are asked for.
    fn range(&self, asked: &RockRequest) -> Range {
        if asked.version.is_none() {
            return self.limited(&asked.name);
        }
        let offered = self
            .offers(&asked.name)
            .iter()
            .map(|offer| offer.version.as_str());
        let all = offered.chain(self.installed.get(&asked.name).map(String::as_str));
        let accepted = all
            .filter(|version| asked.accepts(version))
            .map(|version| Ranges::singleton(Version::new(version)));
        accepted.fold(Ranges::empty(), |all, one| all.union(&one))
    }

    /// The first name on the way that the source does not have.
    fn missing(&self) -> Option<RockConflict> {
        let (mut seen, mut waiting) = (BTreeSet::new(), Vec::new());
        for RockRequest { name, .. } in self.asked {
            if self.index.get(name).is_none() && !self.installed.contains_key(name) {
                return Some(RockConflict::Missing(
                    "the request".to_owned(),
                    name.clone(),
                ));
            }
            waiting.push(name.clone());
        }
        while let Some(name) = waiting.pop() {
            for requirement in self
                .offers(&name)
                .first()
                .into_iter()
                .flat_map(|offer| self.requirements(offer))
            {
                if self.index.get(&requirement.name).is_none()
                    && !self.installed.contains_key(&requirement.name)
                {
                    return Some(RockConflict::Missing(name, requirement.name));
                }
                if seen.insert(requirement.name.clone()) {
                    waiting.push(requirement.name);
                }
            }
        }
        None
    }
}

impl DependencyProvider for Provider<'_> {
    type P = Package;
    type V = Version;
    type VS = Range;
    type Priority = u32;
    type M = String;
    type Err = Infallible;

    fn prioritize(&self, _: &Package, _: &Range, conflicts: &PackageResolutionStatistics) -> u32 {
        conflicts.conflict_count()
    }

    fn choose_version(
        &self,
        package: &Package,
        range: &Range,
    ) -> Result<Option<Version>, Infallible> {
        let Package::Rock(name) = package else {
            return Ok(Some(Version::new("")));
        };
        let versions = || {
            self.offers(name)
                .iter()
                .map(|offer| Version::new(&offer.version))
                .filter(|version| range.contains(version))
        };
        let kept = self
            .installed
            .get(name)
            .map(|version| Version::new(version))
            .filter(|kept| range.contains(kept));
        Ok(kept.or_else(|| versions().next()))
    }

    fn get_dependencies(
        &self,
        package: &Package,
        version: &Version,
    ) -> Result<Dependencies<Package, Range, String>, Infallible> {
        let Package::Rock(name) = package else {
            let wanted = self
                .asked
                .iter()
                .map(|asked| (Package::Rock(asked.name.clone()), self.range(asked)));
            return Ok(Dependencies::Available(wanted.collect()));
        };
        let Some(offer) = self.offer(name, version) else {
            // What somebody else put there needs what it needs.
            let there = self
                .installed
                .get(name)
                .is_some_and(|there| Version::new(there) == *version);
            return Ok(match there {
                true => Dependencies::Available(Default::default()),
                false => Dependencies::Unavailable("its source does not provide it".to_owned()),
            });
        };
        // What is there already needs what it needs, also where its rockspec was not read.
        let is_kept = self
            .installed
            .get(name)
            .is_some_and(|there| Version::new(there) == *version);
        if offer.depends.is_none() && !is_kept {
            return Ok(Dependencies::Unavailable(
                "its rockspec was not read; run `hoist sync`".to_owned(),
            ));
        }
        let mut needs: BTreeMap<String, Range> = BTreeMap::new();
        for requirement in self.requirements(offer) {
            let fitting = self.fitting(&requirement);
            let range = needs
                .entry(requirement.name.clone())
                .or_insert_with(|| self.limited(&requirement.name));
            *range = range.intersection(&fitting);
        }
        Ok(Dependencies::Available(
            needs
                .into_iter()
                .map(|(name, range)| (Package::Rock(name), range))
                .collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::IndexEntry;

    type Versions<'a> = &'a [(&'a str, &'a [&'a str])];

    fn index(rocks: &[(&str, Versions<'_>)]) -> Index {
        let offer = |(version, depends): &(&str, &[&str])| Offer {
            version: (*version).to_owned(),
            depends: Some(depends.iter().map(|text| (*text).to_owned()).collect()),
            archive: String::new(),
        };
        let entry = |(name, offers): &(&str, Versions<'_>)| IndexEntry {
            name: (*name).to_owned(),
            offers: offers.iter().map(offer).collect(),
            ..IndexEntry::default()
        };
        let mut entries: Vec<IndexEntry> = rocks.iter().map(entry).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Index {
            entries,
            ..Index::default()
        }
    }

    fn tree(installed: &[(&str, &str)]) -> InstalledRocks {
        let installed = installed
            .iter()
            .map(|(name, version)| ((*name).to_owned(), (*version).to_owned()))
            .collect();
        InstalledRocks {
            installed,
            needs: BTreeMap::new(),
        }
    }

    fn chosen(
        index: &Index,
        asked: &[&str],
        installed: &[(&str, &str)],
    ) -> Result<Vec<(String, String)>, RockConflict> {
        let asked: Vec<RockRequest> = asked.iter().map(|name| RockRequest::any(*name)).collect();
        Ok(choose(index, &asked, &tree(installed), &BTreeSet::new())?
            .into_iter()
            .map(|choice| (choice.name, choice.offer.version))
            .collect())
    }

    #[test]
    fn the_newest_that_goes_together_and_what_is_installed_stays() {
        let index = index(&[
            ("a", &[("2-1", &["b", "c < 2", "lua >= 5.1"]), ("1-1", &[])]),
            ("b", &[("3-1", &["c"]), ("2-1", &[])]),
            ("c", &[("2-1", &[]), ("1-1", &[])]),
        ]);
        let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        assert_eq!(
            chosen(&index, &["a"], &[]).unwrap(),
            [pair("a", "2-1"), pair("b", "3-1"), pair("c", "1-1")]
        );
        assert_eq!(
            chosen(&index, &["a"], &[("b", "2-1")]).unwrap()[1],
            pair("b", "2-1")
        );
        assert_eq!(
            chosen(&index, &["b", "a"], &[]).unwrap()[1],
            pair("b", "3-1")
        );
        // What somebody has in a version that is not offered stays, too, and so does what the
        // source does not have at all.
        assert_eq!(
            chosen(&index, &["a"], &[("b", "9-1")]).unwrap()[1],
            pair("b", "9-1")
        );
        assert_eq!(
            chosen(&index, &["a"], &[("c", "3-1")]).unwrap()[2],
            pair("c", "1-1"),
            "out of range"
        );
    }

    #[test]
    fn a_conflict_is_derived_and_a_missing_name_is_named() {
        let index = index(&[
            ("a", &[("1-1", &["b", "c < 2"])]),
            ("b", &[("1-1", &["c >= 2"])]),
            ("c", &[("2-1", &[]), ("1-1", &[])]),
            ("d", &[("1-1", &["e"])]),
        ]);
        let Err(RockConflict::Derived(reasons)) = chosen(&index, &["a"], &[]) else {
            panic!("it goes together")
        };
        assert!(
            reasons.contains('a') && reasons.contains('b') && reasons.contains('c'),
            "{reasons}"
        );
        assert_eq!(
            chosen(&index, &["d"], &[]),
            Err(RockConflict::Missing("d".into(), "e".into()))
        );
        assert_eq!(
            chosen(&index, &["d"], &[("e", "1-1")]).unwrap().len(),
            2,
            "it is there by hand"
        );
        assert!(matches!(
            chosen(&index, &["nothing"], &[]),
            Err(RockConflict::Missing(..))
        ));
    }

    #[test]
    fn what_is_provided_is_not_looked_for_and_an_unread_version_that_is_there_stays() {
        let mut index = index(&[
            ("a", &[("1-1", &["mod_server", "b"])]),
            ("b", &[("2-1", &[]), ("1-1", &[])]),
        ]);
        index.entries[1].offers[1].depends = None;
        let asked = [RockRequest::any("a")];
        let provided = BTreeSet::from(["mod_server".to_owned()]);
        assert_eq!(
            choose(&index, &asked, &InstalledRocks::default(), &BTreeSet::new()),
            Err(RockConflict::Missing("a".into(), "mod_server".into()))
        );
        let chosen = choose(&index, &asked, &tree(&[("b", "1-1")]), &provided).unwrap();
        let versions: Vec<&str> = chosen
            .iter()
            .map(|choice| choice.offer.version.as_str())
            .collect();
        assert_eq!(
            (versions, chosen[0].needs.as_slice()),
            (vec!["1-1", "1-1"], &["b".to_owned()][..])
        );
    }

    #[test]
    fn a_version_is_chosen_that_is_asked_for() {
        let index = index(&[
            (
                "a",
                &[
                    ("2.0-1", &[]),
                    ("1.0-2", &["b < 2"]),
                    ("1.0-1", &[]),
                    ("1.0.1-1", &[]),
                ],
            ),
            ("b", &[("2-1", &[]), ("1-1", &[])]),
        ]);
        let version = |asked: &str, installed: &[(&str, &str)]| {
            let asked = [RockRequest {
                version: Some(asked.to_owned()),
                ..RockRequest::any("a")
            }];
            let chosen = choose(&index, &asked, &tree(installed), &BTreeSet::new()).ok()?;
            Some(
                chosen
                    .into_iter()
                    .map(|choice| choice.offer.version)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            version("1.0", &[]).unwrap(),
            ["1.0-2", "1-1"],
            "the newest revision, with what that needs"
        );
        assert_eq!(version("1.0-1", &[("a", "2.0-1")]).unwrap(), ["1.0-1"]);
        assert_eq!(
            version("1.0", &[("a", "1.0-1")]).unwrap(),
            ["1.0-1"],
            "what is there will do"
        );
        assert_eq!(version("3", &[]), None);
    }

    #[test]
    fn what_stays_in_the_tree_keeps_what_it_needs() {
        let index = index(&[
            ("a", &[("2-1", &["b >= 2"]), ("1-1", &["b"])]),
            ("b", &[("2-1", &[]), ("1-1", &[])]),
        ]);
        let mut there = tree(&[("b", "1-1"), ("old", "1-1")]);
        there
            .needs
            .insert("old".to_owned(), vec![Requirement::new("b < 2").unwrap()]);
        let versions = |asked: &RockRequest| -> Result<Vec<String>, RockConflict> {
            let chosen = choose(
                &index,
                std::slice::from_ref(asked),
                &there,
                &BTreeSet::new(),
            )?;
            Ok(chosen
                .into_iter()
                .map(|choice| choice.offer.version)
                .collect())
        };
        assert_eq!(
            versions(&RockRequest::any("a")).unwrap(),
            ["1-1", "1-1"],
            "the newest that leaves it what it needs"
        );
        let wrong = versions(&RockRequest {
            version: Some("2".to_owned()),
            ..RockRequest::any("a")
        })
        .unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "the installed old depends on b < 2, not 2-1"
        );
    }

    #[test]
    fn a_cycle_is_chosen_and_left_to_whoever_orders() {
        let index = index(&[("a", &[("1-1", &["b"])]), ("b", &[("1-1", &["a"])])]);
        assert_eq!(chosen(&index, &["a"], &[]).unwrap().len(), 2);
    }
}
