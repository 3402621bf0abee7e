//! Which versions of plugins go together: everything that sources offer, what the platform
//! provides, and what is installed.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;

use pubgrub::{
    DefaultStringReporter, Dependencies, DependencyProvider, PackageResolutionStatistics,
    PubGrubError, Ranges, Reporter,
};
use semver::Version;

use crate::range::VersionRange;

/// A version of something that one source offers.
#[derive(Debug, Clone)]
pub struct VersionOffer {
    /// Of what.
    pub name: String,
    /// Absent where it has none: then it will do for every range.
    pub version: Option<Version>,
    /// Who offers it: the same for no two of one name.
    pub source: String,
    /// What it needs.
    pub needs: Vec<VersionRequest>,
}

/// Versions of something that are needed.
#[derive(Debug, Clone)]
pub struct VersionRequest {
    /// Of what.
    pub name: String,
    /// Which will do.
    pub range: VersionRange,
    /// True where it also goes without.
    pub optional: bool,
}

/// What there is to choose from.
#[derive(Debug, Default)]
pub struct VersionOffers {
    /// Everything that sources offer; of one version of a name the first counts.
    pub all: Vec<VersionOffer>,
    /// What the platform provides.
    pub provided: BTreeMap<String, Version>,
    /// Versions that are installed, and stay where they will do.
    pub installed: BTreeMap<String, Version>,
    /// Of these the newest is chosen, whatever is installed.
    pub updated: BTreeSet<String>,
}

/// What was chosen of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenVersion {
    /// The name.
    pub name: String,
    /// Whose offer it is; absent where what is installed stays.
    pub source: Option<String>,
    /// The version.
    pub version: Option<Version>,
}

/// Why no versions go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionConflict {
    /// Nobody has what something needs: who needs it, what, and which versions.
    Missing {
        /// Who needs it.
        by: String,
        /// What it needs.
        name: String,
        /// Which versions.
        versions: String,
    },
    /// The reasons, one after another.
    Derived(String),
}

/// Chooses versions of what is asked for, and of all that it needs: the newest that go together,
/// but what is installed stays where it will do. What is optional is left out where it cannot be
/// had.
///
/// # Errors
/// What nobody has, and ranges that exclude each other.
pub fn choose(
    offers: &VersionOffers,
    asked: &[String],
) -> Result<Vec<ChosenVersion>, VersionConflict> {
    let optional: BTreeSet<&str> = offers
        .all
        .iter()
        .flat_map(|offer| &offer.needs)
        .filter(|need| need.optional)
        .map(|need| need.name.as_str())
        .collect();
    let mut without: BTreeSet<&str> = optional
        .iter()
        .copied()
        .filter(|name| !offers.has(name))
        .collect();
    match solve(offers, asked, &without) {
        Ok(choices) => return Ok(choices),
        Err(conflict) if without.len() == optional.len() => return Err(conflict),
        Err(_) => {}
    }
    let missing = std::mem::replace(&mut without, optional.clone());
    let mut best = solve(offers, asked, &without)?;
    for name in optional.into_iter().filter(|name| !missing.contains(name)) {
        without.remove(name);
        match solve(offers, asked, &without) {
            Ok(choices) => best = choices,
            Err(_) => drop(without.insert(name)),
        }
    }
    Ok(best)
}

fn solve(
    offers: &VersionOffers,
    asked: &[String],
    without: &BTreeSet<&str>,
) -> Result<Vec<ChosenVersion>, VersionConflict> {
    let provider = Provider {
        offers,
        asked,
        without,
    };
    let chosen = match pubgrub::resolve(&provider, Package::Asked, Release(None)) {
        Ok(chosen) => chosen,
        Err(PubGrubError::NoSolution(mut tree)) => {
            if let Some(missing) = provider.missing() {
                return Err(missing);
            }
            tree.collapse_no_versions();
            let reasons = DefaultStringReporter::report(&tree);
            let reasons = reasons.split_whitespace().collect::<Vec<_>>().join(" ");
            return Err(VersionConflict::Derived(
                reasons
                    .replace("the request -", "the request")
                    .replace(" - | ", " ")
                    .replace(" is forbidden", " is not available"),
            ));
        }
        // What has no version at all is in every range.
        Err(error) => {
            return Err(VersionConflict::Derived(
                error.to_string().replace(" - | ", " "),
            ));
        }
    };
    let choice = |(package, Release(version)): (Package, Release)| {
        let Package::Named(name) = package else {
            return None;
        };
        let offer = offers
            .all
            .iter()
            .find(|offer| offer.name == name && offer.version == version);
        let stays = offers
            .installed
            .get(&name)
            .is_some_and(|there| Some(there) == version.as_ref());
        let known = offer.is_some() || stays;
        let source = offer
            .map(|offer| offer.source.clone())
            .filter(|_| !stays || offers.updated.contains(&name));
        (known && !offers.provided.contains_key(&name)).then_some(ChosenVersion {
            name,
            source,
            version,
        })
    };
    let mut choices: Vec<ChosenVersion> = chosen.into_iter().filter_map(choice).collect();
    choices.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(choices)
}

impl VersionOffers {
    /// True where there is anything of a name.
    fn has(&self, name: &str) -> bool {
        self.provided.contains_key(name)
            || self.installed.contains_key(name)
            || self.all.iter().any(|offer| offer.name == name)
    }

    fn of<'o>(&'o self, name: &'o str) -> impl Iterator<Item = &'o VersionOffer> {
        self.all.iter().filter(move |offer| offer.name == name)
    }
}

/// A version; absent where there is none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Release(Option<Version>);

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(version) => version.fmt(f),
            None => f.write_str("-"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Package {
    Asked,
    Named(String),
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Package::Asked => f.write_str("the request"),
            Package::Named(name) => f.write_str(name),
        }
    }
}

struct Provider<'a> {
    offers: &'a VersionOffers,
    asked: &'a [String],
    /// Optional names that are left out.
    without: &'a BTreeSet<&'a str>,
}

impl Provider<'_> {
    fn needs<'o>(&'o self, offer: &'o VersionOffer) -> impl Iterator<Item = &'o VersionRequest> {
        offer
            .needs
            .iter()
            .filter(|need| !(need.optional && self.without.contains(need.name.as_str())))
    }

    /// The first name on the way that nobody has.
    fn missing(&self) -> Option<VersionConflict> {
        let (mut seen, mut waiting) = (BTreeSet::new(), self.asked.to_vec());
        if let Some(name) = self.asked.iter().find(|name| !self.offers.has(name)) {
            return Some(VersionConflict::Missing {
                by: "the request".to_owned(),
                name: name.clone(),
                versions: "*".to_owned(),
            });
        }
        while let Some(by) = waiting.pop() {
            for need in self.offers.of(&by).flat_map(|offer| self.needs(offer)) {
                if !self.offers.has(&need.name) {
                    let by = by.clone();
                    return Some(VersionConflict::Missing {
                        by,
                        name: need.name.clone(),
                        versions: need.range.to_string(),
                    });
                }
                if seen.insert(need.name.clone()) {
                    waiting.push(need.name.clone());
                }
            }
        }
        None
    }
}

impl DependencyProvider for Provider<'_> {
    type P = Package;
    type V = Release;
    type VS = Ranges<Release>;
    type Priority = u32;
    type M = String;
    type Err = Infallible;

    fn prioritize(
        &self,
        _: &Package,
        _: &Ranges<Release>,
        conflicts: &PackageResolutionStatistics,
    ) -> u32 {
        conflicts.conflict_count()
    }

    fn choose_version(
        &self,
        package: &Package,
        range: &Ranges<Release>,
    ) -> Result<Option<Release>, Infallible> {
        let Package::Named(name) = package else {
            return Ok(Some(Release(None)));
        };
        if let Some(version) = self.offers.provided.get(name) {
            return Ok(
                Some(Release(Some(version.clone()))).filter(|release| range.contains(release))
            );
        }
        let installed = || {
            self.offers
                .installed
                .get(name)
                .map(|version| Release(Some(version.clone())))
                .filter(|there| range.contains(there))
        };
        if let Some(there) = installed().filter(|_| !self.offers.updated.contains(name)) {
            return Ok(Some(there));
        }
        let fits: Vec<Release> = self
            .offers
            .of(name)
            .map(|offer| Release(offer.version.clone()))
            .filter(|release| range.contains(release))
            .collect();
        let is_early = |release: &&Release| {
            release
                .0
                .as_ref()
                .is_some_and(|version| !version.pre.is_empty())
        };
        // What comes before a release only where there is nothing else.
        let newest = fits
            .iter()
            .filter(|release| !is_early(release))
            .max()
            .or_else(|| fits.iter().max())
            .cloned();
        // Nobody goes back from what is installed to what is older.
        Ok(newest.max(installed()))
    }

    fn get_dependencies(
        &self,
        package: &Package,
        Release(version): &Release,
    ) -> Result<Dependencies<Package, Ranges<Release>, String>, Infallible> {
        let Package::Named(name) = package else {
            return Ok(Dependencies::Available(
                self.asked
                    .iter()
                    .map(|name| (Package::Named(name.clone()), Ranges::full()))
                    .collect(),
            ));
        };
        let offer = self
            .offers
            .of(name)
            .find(|offer| offer.version == *version)
            .filter(|_| !self.offers.provided.contains_key(name));
        let mut needs: BTreeMap<&str, Ranges<Release>> = BTreeMap::new();
        for need in offer.into_iter().flat_map(|offer| self.needs(offer)) {
            let range = needs.entry(&need.name).or_insert_with(Ranges::full);
            *range = range.intersection(&ranges(&need.range));
        }
        Ok(Dependencies::Available(
            needs
                .into_iter()
                .map(|(name, range)| (Package::Named(name.to_owned()), range))
                .collect(),
        ))
    }
}

/// A range, which what has no version is always in.
fn ranges(range: &VersionRange) -> Ranges<Release> {
    if range.is_any() {
        return Ranges::full();
    }
    range
        .ranges(|version| Release(Some(version.clone())))
        .union(&Ranges::singleton(Release(None)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(name: &str, version: &str, needs: &[(&str, &str)]) -> VersionOffer {
        let want = |(name, range): &(&str, &str)| VersionRequest {
            name: name.trim_end_matches('?').to_owned(),
            range: VersionRange::parse(range).unwrap(),
            optional: name.ends_with('?'),
        };
        let version = (!version.is_empty()).then(|| Version::parse(version).unwrap());
        VersionOffer {
            name: name.to_owned(),
            version,
            source: format!("of {name}"),
            needs: needs.iter().map(want).collect(),
        }
    }

    fn chosen(offers: &VersionOffers, asked: &[&str]) -> Result<Vec<String>, VersionConflict> {
        let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
        let told = |choice: ChosenVersion| {
            let version = choice
                .version
                .map(|version| version.to_string())
                .unwrap_or_default();
            format!(
                "{} {version}{}",
                choice.name,
                if choice.source.is_none() {
                    " stays"
                } else {
                    ""
                }
            )
        };
        Ok(choose(offers, &asked)?.into_iter().map(told).collect())
    }

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn the_newest_that_goes_together_with_the_platform_and_what_is_installed() {
        let mut offers = VersionOffers {
            all: vec![
                offer(
                    "shop",
                    "2.0.0",
                    &[("core", ">=1"), ("db", "^1.2"), ("shell", ">=9")],
                ),
                offer("db", "2.0.0", &[]),
                offer("db", "1.3.0", &[("core", "*")]),
                offer("db", "1.4.0-rc.1", &[]),
                offer("shell", "", &[]),
            ],
            provided: [("core".to_owned(), version("1.0.0"))].into(),
            ..VersionOffers::default()
        };
        assert_eq!(
            chosen(&offers, &["shop"]).unwrap(),
            ["db 1.3.0", "shell ", "shop 2.0.0"],
            "a module without a version will do for any"
        );
        offers.installed = [("db".to_owned(), version("1.2.0"))].into();
        assert_eq!(chosen(&offers, &["shop"]).unwrap()[0], "db 1.2.0 stays");
        offers.updated = ["db".to_owned()].into();
        assert_eq!(chosen(&offers, &["shop"]).unwrap()[0], "db 1.3.0");
        offers.installed = [("db".to_owned(), version("1.9.0"))].into();
        assert_eq!(
            chosen(&offers, &["shop"]).unwrap()[0],
            "db 1.9.0 stays",
            "nobody goes back"
        );
    }

    #[test]
    fn a_conflict_is_derived_and_what_nobody_has_is_named() {
        let offers = VersionOffers {
            all: vec![
                offer("shop", "1.0.0", &[("db", "<2"), ("log", "*")]),
                offer("log", "1.0.0", &[("db", ">=2")]),
                offer("db", "2.0.0", &[]),
                offer("db", "1.0.0", &[]),
                offer("lost", "1.0.0", &[("nothing", ">=3")]),
                offer("new", "1.0.0", &[("core", ">=2")]),
            ],
            provided: [("core".to_owned(), version("1.0.0"))].into(),
            ..VersionOffers::default()
        };
        let Err(VersionConflict::Derived(reasons)) = chosen(&offers, &["shop"]) else {
            panic!("it goes together")
        };
        assert!(
            ["shop", "log", "db"]
                .iter()
                .all(|name| reasons.contains(name)),
            "{reasons}"
        );
        let missing = VersionConflict::Missing {
            by: "lost".into(),
            name: "nothing".into(),
            versions: ">=3".into(),
        };
        assert_eq!(chosen(&offers, &["lost"]), Err(missing));
        let Err(VersionConflict::Derived(reasons)) = chosen(&offers, &["new"]) else {
            panic!("it goes together")
        };
        assert!(reasons.contains("core"), "{reasons}");
    }

    #[test]
    fn what_is_optional_is_left_out_where_it_cannot_be_had() {
        let offers = VersionOffers {
            all: vec![
                offer(
                    "shop",
                    "1.0.0",
                    &[
                        ("cache?", "*"),
                        ("mail?", ">=2"),
                        ("db", "<2"),
                        ("absent?", "*"),
                    ],
                ),
                offer("cache", "1.0.0", &[]),
                offer("mail", "2.0.0", &[("db", ">=2")]),
                offer("db", "2.0.0", &[]),
                offer("db", "1.0.0", &[]),
            ],
            ..VersionOffers::default()
        };
        assert_eq!(
            chosen(&offers, &["shop"]).unwrap(),
            ["cache 1.0.0", "db 1.0.0", "shop 1.0.0"]
        );
    }
}
