//! Files that several modules work on, such as the one that initialises a program: who changed
//! what in them.

use std::borrow::Cow;
use std::collections::HashMap;

/// The lines of a text that are not blank, each with how often it is there.
fn lines(text: &str) -> HashMap<&str, usize> {
    let mut lines = HashMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        *lines.entry(line).or_default() += 1;
    }
    lines
}

/// The lines that the one text has and the other has not.
fn lost<'t>(before: &'t str, after: &str) -> HashMap<&'t str, usize> {
    let after = lines(after);
    let left = |(line, count): (&'t str, usize)| {
        let left = count.saturating_sub(after.get(line).copied().unwrap_or_default());
        (left > 0).then_some((line, left))
    };
    lines(before).into_iter().filter_map(left).collect()
}

/// Versions of one file as text. Where not all are UTF-8, each byte is a character, as in Latin-1;
/// what has a zero in it is no text.
struct Texts<'t, const N: usize> {
    texts: [Cow<'t, str>; N],
    is_utf8: bool,
}

fn texts<const N: usize>(versions: [&[u8]; N]) -> Option<Texts<'_, N>> {
    let is_utf8 = versions
        .iter()
        .all(|bytes| std::str::from_utf8(bytes).is_ok());
    if versions.iter().any(|bytes| bytes.contains(&0)) {
        return None;
    }
    let text = |bytes| match is_utf8 {
        true => String::from_utf8_lossy(bytes),
        false => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    };
    Some(Texts {
        texts: versions.map(text),
        is_utf8,
    })
}

impl<'t, const N: usize> Texts<'t, N> {
    fn all(&'t self) -> [&'t str; N] {
        self.texts.each_ref().map(|text| &**text)
    }

    /// As bytes of the same kind.
    fn encoded(&self, together: Together) -> Together {
        match together {
            Together::Merged(merged) if !self.is_utf8 => {
                let characters = String::from_utf8_lossy(&merged).into_owned();
                Together::Merged(
                    characters
                        .chars()
                        .filter_map(|character| u8::try_from(character).ok())
                        .collect(),
                )
            }
            together => together,
        }
    }
}

/// True where a file was edited rather than replaced: at least half of its lines are still there.
pub(crate) fn is_edit(before: &[u8], after: &[u8]) -> bool {
    let Some(texts) = texts([before, after]) else {
        return false;
    };
    let [before, after] = texts.all();
    let all: usize = lines(before).values().sum();
    let gone: usize = lost(before, after).values().sum();
    gone * 2 <= all && (all > 0 || before.trim().is_empty())
}

/// True where an installer only added lines, or took out such as it had added itself when it made
/// `installed` of `before`.
pub(crate) fn keeps_all(old: &[u8], new: &[u8], former: Option<(&[u8], &[u8])>) -> bool {
    let (before, installed) = former.unwrap_or_default();
    let Some(texts) = texts([old, new, before, installed]) else {
        return false;
    };
    let [old, new, before, installed] = texts.all();
    // How lines end is somebody's, too.
    let is_converted = old.contains("\r\n") && !new.contains("\r\n");
    // Its own lines may go, become others, or come to another place.
    !is_converted && taken_out(new, &without_lines(old, &added(before, installed))).is_some()
}

/// A text without some of its lines.
fn without_lines(text: &str, lines: &[&str]) -> String {
    let mut stays = sieve(exact(lines));
    text.lines()
        .filter(|line| stays(line))
        .map(|line| line.to_owned() + "\n")
        .collect()
}

/// True for lines that are none of these, as often as they are here.
fn sieve(mut gone: HashMap<&str, usize>) -> impl FnMut(&str) -> bool {
    move |line| match gone.get_mut(line).filter(|count| **count > 0) {
        Some(count) => {
            *count -= 1;
            false
        }
        None => true,
    }
}

/// What becomes of a file that somebody edited between an installer and the uninstaller.
#[derive(Debug, PartialEq, Eq)]
pub enum Together {
    /// The uninstaller took away only what the installer had added.
    Theirs,
    /// This has both changes.
    Merged(Vec<u8>),
    /// The changes do not go together.
    Apart,
}

/// Puts together what somebody changed and what the uninstaller did: `before` stood there before
/// the installer, which made `installed` of it; somebody made `edited` of that, and the uninstaller
/// `now`.
pub fn together(before: &[u8], installed: &[u8], edited: &[u8], now: &[u8]) -> Together {
    if now == before && installed == edited {
        return Together::Theirs;
    }
    let Some(texts) = texts([before, installed, edited, now]) else {
        return Together::Apart;
    };
    let [before, installed, edited, now] = texts.all();
    texts.encoded(together_as_text(before, installed, edited, now))
}

fn together_as_text(before: &str, installed: &str, edited: &str, now: &str) -> Together {
    let own = exact(&added(before, installed));
    // Nobody was at work in between, and the uninstaller has nothing new to say: it is what it was,
    // to the last byte.
    let known = exact(&before.lines().chain(installed.lines()).collect::<Vec<_>>());
    if installed == edited
        && !now.trim().is_empty()
        && now
            .lines()
            .all(|line| line.trim().is_empty() || known.contains_key(line))
    {
        return Together::Merged(before.as_bytes().to_vec());
    }
    // The lines that the installer had put in the places of others were exchanged for those again,
    // and nothing else became different.
    let replaced = exact(&added(installed, before));
    let without = |text: &str, lines: &HashMap<&str, usize>| {
        let mut stays = sieve(lines.clone());
        text.lines()
            .filter(|line| stays(line))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let has_all = is_within(&own, &exact(&edited.lines().collect::<Vec<_>>()))
        && is_within(&replaced, &exact(&now.lines().collect::<Vec<_>>()));
    if has_all && without(edited, &own) == without(now, &replaced) {
        return Together::Theirs;
    }
    // Lines went, and only such as the installer had added; what is left stands as it stood.
    if taken_out(edited, now).is_some_and(|taken| is_within(&taken, &own)) {
        let is_rest = now
            .lines()
            .any(|line| !line.trim().is_empty() && own.contains_key(line));
        return match if is_rest {
            merged(before, installed, edited, before)
        } else {
            Together::Theirs
        } {
            Together::Merged(rest) => Together::Merged(rest),
            _ => Together::Theirs,
        };
    }
    // Whatever the uninstaller did, what the installer had not added stays.
    let others = exact(
        &edited
            .lines()
            .filter(|line| !own.contains_key(line))
            .collect::<Vec<_>>(),
    );
    match merged(before, installed, edited, now) {
        Together::Merged(merged)
            if std::str::from_utf8(&merged).is_ok_and(|text| {
                is_within(&others, &exact(&text.lines().collect::<Vec<_>>()))
            }) =>
        {
            Together::Merged(merged)
        }
        _ => merged(before, installed, edited, before),
    }
}

/// The lines of a text as they are, each with how often it is there.
fn exact<'t>(lines: &[&'t str]) -> HashMap<&'t str, usize> {
    let mut counted = HashMap::new();
    for line in lines {
        *counted.entry(*line).or_default() += 1;
    }
    counted
}

fn is_within(some: &HashMap<&str, usize>, all: &HashMap<&str, usize>) -> bool {
    some.iter()
        .all(|(line, count)| all.get(line).is_some_and(|known| known >= count))
}

/// The lines that the one text has and the other has not, as they are.
fn added<'t>(before: &str, after: &'t str) -> Vec<&'t str> {
    let known: Vec<&str> = before.lines().collect();
    let mut is_new = sieve(exact(&known));
    after.lines().filter(|line| is_new(line)).collect()
}

/// Which lines went, where nothing else became different; what is no longer a line of its own
/// counts as another.
fn taken_out<'t>(before: &'t str, after: &str) -> Option<HashMap<&'t str, usize>> {
    let mut left = after.lines().peekable();
    let gone: Vec<&str> = before
        .lines()
        .filter(|line| left.next_if_eq(line).is_none())
        .collect();
    left.peek().is_none().then(|| exact(&gone))
}

/// True where all lines of a text stand in another one in their order: nothing in it would be lost
/// with it.
pub(crate) fn is_contained(text: &[u8], other: &[u8]) -> bool {
    let Some(texts) = texts([text, other]) else {
        return false;
    };
    let [text, other] = texts.all();
    taken_out(other, text).is_some()
}

/// Longer files are not merged, in lines.
const MERGED: usize = 10_000;

/// Changes that stand one behind another do not merge; but lines that only the installer added can
/// be told wherever they stand.
fn merged(before: &str, installed: &str, edited: &str, now: &str) -> Together {
    // Merging takes a time that grows with the changes, too.
    let is_short = |text: &str| text.lines().nth(MERGED).is_none();
    if [installed, edited, now].into_iter().all(is_short)
        && let Ok(merged) = diffy::merge(installed, edited, now)
    {
        return Together::Merged(merged.into_bytes());
    }
    let added = exact(&added(before, installed));
    let there = exact(&edited.lines().collect::<Vec<_>>());
    let only_added = taken_out(installed, before).is_some();
    if now != before
        || !only_added
        || added
            .iter()
            .any(|(line, count)| there.get(line) != Some(count))
    {
        return Together::Apart;
    }
    let mut stays = sieve(added);
    let rest = edited
        .split_inclusive('\n')
        .filter(|line| stays(line.trim_end_matches(['\n', '\r'])));
    Together::Merged(rest.collect::<String>().into_bytes())
}

/// What is there now, without what an installer made of `before` when it made `installed` of it.
pub fn without(before: &[u8], installed: &[u8], now: &[u8]) -> Together {
    let Some(texts) = texts([before, installed, now]) else {
        return Together::Apart;
    };
    let [before, installed, now] = texts.all();
    texts.encoded(merged(before, installed, now, before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_told_from_another_file() {
        assert!(
            is_edit(b"a\nb\n", b"a\nmine\nb\n")
                && is_edit(b"a\nb\n", b"a\nc\n")
                && is_edit(b"", b"x")
        );
        assert!(
            !is_edit(b"a\nb\nc\n", b"x\ny\n")
                && !is_edit(b"\0a", b"\0a\nb")
                && !is_edit(b"a\n", b"")
        );
    }

    #[test]
    fn an_edit_that_loses_lines_of_others_is_told_from_one_that_does_not() {
        assert!(keeps_all(b"a\nb\n", b"a\nnew\nb\n", None) && keeps_all(b"", b"x", None));
        assert!(
            !keeps_all(b"a\nb\n", b"a\nc\n", None)
                && !keeps_all(b"a\n  b\n", b"a\nb\n", None)
                && !keeps_all(b"a\nb\n", b"b\na\n", None)
        );
        assert!(
            !keeps_all(b"a\r\nb\r\n", b"a\nb\nnew\n", None)
                && keeps_all(b"a\r\n", b"a\r\nnew\n", None)
        );
        assert!(keeps_all(b"\xe9\n", b"\xe9\nnew\n", None) && is_edit(b"\xe9\n", b"\xe9\nnew\n"));
        // Its own line of the last time may become another.
        assert!(keeps_all(
            b"a\nv1\nmine\n",
            b"a\nv2\nmine\n",
            Some((b"a\n", b"a\nv1\n"))
        ));
        assert!(keeps_all(
            b"b\nv1\n",
            b"v1\nb\n",
            Some((b"b\n", b"b\nv1\n"))
        ));
        assert!(!keeps_all(
            b"a\nv1\nmine\n",
            b"a\nv2\n",
            Some((b"a\n", b"a\nv1\n"))
        ));
    }

    #[test]
    fn what_somebody_wrote_in_between_survives_an_uninstaller_that_puts_an_old_copy_back() {
        let (before, installed) = (b"start\nend\n", b"start\nmodule\nend\n");
        let edited = b"start\nmodule\nend\nmine\n";
        assert_eq!(
            together(before, installed, installed, before),
            Together::Theirs
        );
        assert_eq!(
            together(
                b"a\nx = 1\n",
                b"a\nx = 2\n",
                b"a\nx = 2\nmine\n",
                b"a\nx = 1\nmine\n"
            ),
            Together::Theirs
        );
        assert_ne!(
            together(
                b"a\nx = 1\n",
                b"a\nx = 2\n",
                b"a\nx = 2\nmine\n",
                b"a\nx = 1\n"
            ),
            Together::Theirs
        );
        // Nobody was at work in between: line endings, blank lines, and the order are what they
        // were.
        for now in [
            "start\nend",
            "start\r\nend\r\n",
            "start\n\nend\n",
            "start\nmodule\nend\n",
            "end\nstart\n",
            "start\nmodule\n",
        ] {
            assert_eq!(
                together(before, installed, installed, now.as_bytes()),
                Together::Merged(before.to_vec()),
                "{now:?}"
            );
        }
        // It forgets a line of an earlier version.
        let updated = b"start\nv1\nv2\nend\n";
        assert_eq!(
            together(
                before,
                updated,
                b"start\nv1\nv2\nend\nmine\n",
                b"start\nv1\nend\nmine\n"
            ),
            Together::Merged(b"start\nend\nmine\n".to_vec())
        );
        assert_eq!(
            together(before, installed, edited, b"start\nend\nmine\n"),
            Together::Theirs
        );
        assert_eq!(
            together(before, installed, edited, before),
            Together::Merged(b"start\nend\nmine\n".to_vec())
        );
        // Right behind what the installer had added, and what somebody else took out meanwhile.
        assert_eq!(
            together(b"a\n", b"a\nmodule\n", b"a\nmodule\nmine\n", b"a\n"),
            Together::Merged(b"a\nmine\n".to_vec())
        );
        assert_eq!(
            together(
                b"a\nother\n",
                b"a\nmodule\nother\n",
                b"a\nmodule\n",
                b"a\nother\n"
            ),
            Together::Merged(b"a\n".to_vec())
        );
        assert_eq!(
            together(before, installed, b"start\nmodule, and mine\nend\n", before),
            Together::Apart
        );
        assert_eq!(
            together(b"\0\xff", b"\0\xfe", b"\0\xfd", b"\0\xff"),
            Together::Apart
        );
        assert_eq!(
            together(b"\xe9\n", b"\xe9\nm\n", b"\xe9\nm\n\xff\n", b"\xe9\n"),
            Together::Merged(b"\xe9\n\xff\n".to_vec())
        );
        // Emptied, indented anew, in another order.
        assert_ne!(
            together(b"a\nb\n", b"a\nb\nm\n", b"a\nb\nm\n", b"x\n"),
            Together::Theirs
        );
        assert_ne!(
            together(b"a\nb\n", b"a\nb\nm\n", b"  a\nb\nm\n", b"a\nb\n"),
            Together::Theirs
        );
        assert_ne!(
            together(b"a\nb\n", b"a\nb\nm\n", b"b\na\nm\n", b"a\nb\n"),
            Together::Theirs
        );
        assert_eq!(
            without(before, installed, edited),
            Together::Merged(b"start\nend\nmine\n".to_vec())
        );
    }
}
