//! A server of rocks: its manifest, and the rockspecs of what it offers.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::sync::Mutex;
use std::sync::mpsc::RecvTimeoutError;

use hoist_core::Digest;
use hoist_executor::{Failure, Level, TaskContext};
use hoist_sources::choose::RockRequest;
use hoist_sources::rocks::{Rockspec, entry, manifest, rockspec};
use hoist_sources::{Index, IndexEntry, Offer, Requirement, Version};

use hoist_machine::http::Client;
use hoist_machine::machine::Machine;

const MANIFEST_LIMIT: u64 = 64 * 1024 * 1024;
const ROCKSPEC_LIMIT: u64 = 1024 * 1024;
/// A packed rock that is larger is not opened for its rockspec.
const ROCK_LIMIT: u64 = 64 * 1024 * 1024;
/// So many rockspecs are fetched at once.
const AT_ONCE: usize = 16;

/// The address of a file of a server.
pub(crate) fn file_of(server: &str, file: &str) -> String {
    format!("{}/{file}", server.trim_end_matches('/'))
}

/// Reads the server; `None` where it offers what it offered before.
pub fn sync(
    server: &str,
    lua: &str,
    asked: &[RockRequest],
    former: Option<&Index>,
    machine: &Machine,
    task: &TaskContext,
) -> Result<Option<Index>, Failure> {
    let client = machine.http();
    let text = match client.read(&file_of(server, &format!("manifest-{lua}")), MANIFEST_LIMIT) {
        // Small servers have one for every version of Lua.
        Err(failure) if !failure.is_transient() => client
            .read(&file_of(server, "manifest"), MANIFEST_LIMIT)
            .map_err(|_| failure)?,
        text => text?,
    };
    let revision = Digest::of([text.as_slice(), lua.as_bytes()]).to_string();
    let is_unread = |former: &Index| {
        former.entries.iter().any(|entry| {
            entry
                .offers
                .iter()
                .any(|offer| is_asked(asked, &entry.name, offer))
        })
    };
    if former.is_some_and(|former| former.revision == revision && !is_unread(former)) {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&text);
    let mut rocks = manifest(&text)
        .map_err(|error| Failure::new(format!("cannot read the manifest of {server}: {error}")))?;
    keep_what_is_known(&mut rocks, former);
    let mut specs: BTreeMap<(String, String), Rockspec> = BTreeMap::new();
    let mut failed: BTreeSet<(String, String)> = BTreeSet::new();
    let (runs, mut left_out) = (Version::new(lua), false);
    loop {
        let wanted = wanted(&rocks, asked, former, &failed);
        if wanted.is_empty() {
            break;
        }
        let archive = |(name, version): (String, String)| {
            let offers = rocks.get(&name).into_iter().flatten();
            let archive = offers
                .filter(|offer| offer.version == version)
                .map(|offer| offer.archive.clone())
                .next();
            (name, version, archive.unwrap_or_default())
        };
        for ((name, version), found) in fetch(
            client,
            server,
            wanted.into_iter().map(archive).collect(),
            task,
        )? {
            match found {
                // What runs under another Lua, or on another system, is as good as not there; an
                // older one may fit.
                Ok(spec)
                    if !spec.runs_here
                        || spec
                            .lua
                            .as_ref()
                            .is_some_and(|needed| !needed.accepts(&runs)) =>
                {
                    failed.insert((name, version));
                }
                Ok(spec) => {
                    let offers = rocks.get_mut(&name).into_iter().flatten();
                    for offer in offers.filter(|offer| offer.version == version) {
                        offer.depends = Some(spec.depends.clone());
                    }
                    specs.insert((name, version), spec);
                }
                Err(failure) => {
                    task.note(
                        Level::Warning,
                        format!("{name} {version} is left out: {}", failure.message),
                    );
                    left_out = true;
                    failed.insert((name, version));
                }
            }
        }
    }
    let read = |(name, offers): (String, Vec<Offer>)| -> Option<IndexEntry> {
        let usable = |offer: &Offer| !failed.contains(&(name.clone(), offer.version.clone()));
        let offers: Vec<Offer> = offers.into_iter().filter(usable).collect();
        let newest = offers.first()?;
        let known = former
            .and_then(|former| former.get(&name))
            .filter(|known| known.version == newest.version);
        match (known, specs.get(&(name.clone(), newest.version.clone()))) {
            (Some(known), None) => Some(IndexEntry {
                offers,
                ..known.clone()
            }),
            (_, spec) => Some(entry(&name, offers, spec)),
        }
    };
    // What could not be read is asked for again the next time.
    let revision = if left_out { String::new() } else { revision };
    Ok(Some(Index {
        revision,
        entries: rocks.into_iter().filter_map(read).collect(),
        ..Index::default()
    }))
}

/// What a version needs does not change.
fn keep_what_is_known(rocks: &mut BTreeMap<String, Vec<Offer>>, former: Option<&Index>) {
    for (name, offers) in rocks {
        let Some(known) = former.and_then(|former| former.get(name)) else {
            continue;
        };
        for offer in offers {
            let same = known
                .offers
                .iter()
                .find(|known| known.version == offer.version);
            offer.depends = same.and_then(|known| known.depends.clone());
        }
    }
}

/// True for a version that is asked for and that was not read so far.
fn is_asked(asked: &[RockRequest], name: &str, offer: &Offer) -> bool {
    offer.depends.is_none()
        && asked.iter().any(|asked| {
            asked.version.is_some() && asked.is_called(name) && asked.accepts(&offer.version)
        })
}

/// The rockspecs to read next: those of the newest versions, of what is asked for, and of older
/// ones of whatever somebody needs in an older version.
fn wanted(
    rocks: &BTreeMap<String, Vec<Offer>>,
    asked: &[RockRequest],
    former: Option<&Index>,
    failed: &BTreeSet<(String, String)>,
) -> Vec<(String, String)> {
    let mut wanted = BTreeSet::new();
    let unread = |name: &str, offer: &Offer| {
        offer.depends.is_none() && !failed.contains(&(name.to_owned(), offer.version.clone()))
    };
    for (name, offers) in rocks {
        let usable = offers
            .iter()
            .find(|offer| !failed.contains(&(name.clone(), offer.version.clone())));
        let described = usable.is_some_and(|offer| {
            former
                .and_then(|former| former.get(name))
                .is_some_and(|known| known.version == offer.version)
        });
        if let Some(newest) = usable.filter(|offer| unread(name, offer) && !described) {
            wanted.insert((name.clone(), newest.version.clone()));
        }
        let unread = offers
            .iter()
            .filter(|offer| unread(name, offer) && is_asked(asked, name, offer));
        wanted.extend(unread.map(|offer| (name.clone(), offer.version.clone())));
    }
    let requirements = rocks
        .values()
        .flatten()
        .flat_map(|offer| offer.depends.iter().flatten())
        .filter_map(|text| Requirement::new(text));
    for requirement in requirements {
        let Some(offers) = rocks.get(&requirement.name) else {
            continue;
        };
        let newest_fits = offers
            .first()
            .is_some_and(|newest| requirement.accepts(&Version::new(&newest.version)));
        if !newest_fits {
            let fitting = offers
                .iter()
                .filter(|offer| requirement.accepts(&Version::new(&offer.version)));
            wanted.extend(
                fitting
                    .filter(|offer| unread(&requirement.name, offer))
                    .map(|offer| (requirement.name.clone(), offer.version.clone())),
            );
        }
    }
    wanted.into_iter().collect()
}

/// The rockspec in a packed rock.
fn packed_rockspec(packed: &[u8], file: &str) -> std::io::Result<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(packed)).map_err(std::io::Error::other)?;
    let mut text = Vec::new();
    archive
        .by_name(file)
        .map_err(std::io::Error::other)?
        .take(ROCKSPEC_LIMIT)
        .read_to_end(&mut text)?;
    Ok(text)
}

type Fetched = ((String, String), Result<Rockspec, Failure>);

/// Fetches rockspecs, several at once. A server that goes away ends it.
fn fetch(
    client: &Client,
    server: &str,
    wanted: Vec<(String, String, String)>,
    task: &TaskContext,
) -> Result<Vec<Fetched>, Failure> {
    let total = wanted.len();
    let waiting = Mutex::new(wanted);
    let take = || waiting.lock().ok().and_then(|mut waiting| waiting.pop());
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(total) {
            let sender = sender.clone();
            scope.spawn(move || {
                while let Some((name, version, archive)) = take() {
                    let read = one(client, server, &name, &version, &archive);
                    let _ = sender.send(((name, version), read));
                }
            });
        }
        drop(sender);
        let mut found: Vec<Fetched> = Vec::with_capacity(total);
        let result = loop {
            match receiver.recv_timeout(std::time::Duration::from_millis(100)) {
                Ok((_, Err(failure))) if failure.is_transient() => break Err(failure),
                Ok(one) => {
                    found.push(one);
                    task.progress(found.len() as u64, total as u64);
                }
                Err(RecvTimeoutError::Disconnected) => break Ok(found),
                Err(RecvTimeoutError::Timeout) => {
                    if let Err(stopped) = task.check() {
                        break Err(stopped);
                    }
                }
            }
        };
        // Those at work end with what they are at.
        let _ = waiting.lock().map(|mut waiting| waiting.clear());
        result
    })
}

fn one(
    client: &Client,
    server: &str,
    name: &str,
    version: &str,
    archive: &str,
) -> Result<Rockspec, Failure> {
    let file = format!("{name}-{version}.rockspec");
    let text = match client.read(&file_of(server, &file), ROCKSPEC_LIMIT) {
        // What somebody has packed stands on a server alone.
        Err(failure) if !failure.is_transient() && archive.ends_with(".rock") => {
            let packed = client
                .read(&file_of(server, archive), ROCK_LIMIT)
                .map_err(|_| failure)?;
            packed_rockspec(&packed, &file)
                .map_err(|error| Failure::new(format!("{archive}: {error}")))?
        }
        text => text?,
    };
    let spec = rockspec(&String::from_utf8_lossy(&text))
        .map_err(|error| Failure::new(format!("cannot read its rockspec: {error}")))?;
    match spec.package.eq_ignore_ascii_case(name) && spec.version == version {
        true => Ok(spec),
        false => Err(Failure::new(format!(
            "its rockspec is for {:?} {:?}",
            spec.package, spec.version
        ))),
    }
}
