//! Files that several modules work on, such as the one that initialises an application: who changed what in them.

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

fn texts<'t>(before: &'t [u8], after: &'t [u8]) -> Option<(&'t str, &'t str)> {
    Some((std::str::from_utf8(before).ok()?, std::str::from_utf8(after).ok()?))
}

/// True where a file was edited rather than replaced: at least half of its lines are still there.
pub(crate) fn is_edit(before: &[u8], after: &[u8]) -> bool {
    let Some((before, after)) = texts(before, after) else { return false };
    let all: usize = lines(before).values().sum();
    let gone: usize = lost(before, after).values().sum();
    gone * 2 <= all && (all > 0 || before.trim().is_empty())
}

/// How many lines are not there any more; nothing of what is no text.
pub(crate) fn lost_lines(before: &[u8], after: &[u8]) -> usize {
    texts(before, after).map_or(0, |(before, after)| lost(before, after).values().sum())
}

/// What becomes of a file that somebody edited between an installer and the uninstaller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Together {
    /// The uninstaller took away only what the installer had added.
    Theirs,
    /// This has both changes.
    Merged(Vec<u8>),
    /// The changes do not go together.
    Apart,
}

/// Puts together what somebody changed and what the uninstaller did: `before` stood there before the installer, which made `installed` of it; somebody
/// made `edited` of that, and the uninstaller `now`.
pub(crate) fn together(before: &[u8], installed: &[u8], edited: &[u8], now: &[u8]) -> Together {
    if installed == edited {
        return Together::Theirs;
    }
    let (Some((before, installed)), Some((edited, now))) = (texts(before, installed), texts(edited, now)) else { return Together::Apart };
    let within = |some: &HashMap<&str, usize>, all: &HashMap<&str, usize>| {
        some.iter().all(|(line, count)| all.get(line).is_some_and(|known| known >= count))
    };
    // What somebody wrote is gone only where lines are that the installer had not added; and what somebody took out is back only where lines came
    // that it had not taken out.
    if within(&lost(edited, now), &lost(installed, before)) && within(&lost(now, edited), &lost(before, installed)) {
        return Together::Theirs;
    }
    merged(before, installed, edited, now)
}

/// Changes that stand one behind another do not merge; but lines that only the installer added can be told wherever they stand.
fn merged(before: &str, installed: &str, edited: &str, now: &str) -> Together {
    if let Ok(merged) = diffy::merge(installed, edited, now) {
        return Together::Merged(merged.into_bytes());
    }
    let mut added = lost(installed, before);
    let there = lines(edited);
    let is_whole = now == before && lost(before, installed).is_empty() && added.iter().all(|(line, count)| there.get(line) == Some(count));
    if !is_whole {
        return Together::Apart;
    }
    let stays = |line: &&str| match added.get_mut(line.trim()).filter(|count| **count > 0) {
        Some(count) => {
            *count -= 1;
            false
        }
        None => true,
    };
    Together::Merged(edited.split_inclusive('\n').filter(stays).collect::<String>().into_bytes())
}

/// What is there now, without what an installer made of `before` when it made `installed` of it.
pub(crate) fn without(before: &[u8], installed: &[u8], now: &[u8]) -> Together {
    let Some(((before, installed), (now, _))) = texts(before, installed).zip(texts(now, now)) else { return Together::Apart };
    merged(before, installed, now, before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_told_from_another_file() {
        assert!(is_edit(b"a\nb\n", b"a\nmine\nb\n") && is_edit(b"a\nb\n", b"a\nc\n") && is_edit(b"", b"x"));
        assert!(!is_edit(b"a\nb\nc\n", b"x\ny\n") && !is_edit(b"\xff", b"\xff\xfe") && !is_edit(b"a\n", b""));
        assert_eq!((lost_lines(b"a\na\nb\n", b"a\n"), lost_lines(b"\xff", b"")), (2, 0));
    }

    #[test]
    fn what_somebody_wrote_in_between_survives_an_uninstaller_that_puts_an_old_copy_back() {
        let (before, installed) = (b"start\nend\n", b"start\nmodule\nend\n");
        let edited = b"start\nmodule\nend\nmine\n";
        assert_eq!(together(before, installed, installed, before), Together::Theirs);
        assert_eq!(together(before, installed, edited, b"start\nend\nmine\n"), Together::Theirs);
        assert_eq!(together(before, installed, edited, before), Together::Merged(b"start\nend\nmine\n".to_vec()));
        // Right behind what the installer had added, and what somebody else took out meanwhile.
        assert_eq!(together(b"a\n", b"a\nmodule\n", b"a\nmodule\nmine\n", b"a\n"), Together::Merged(b"a\nmine\n".to_vec()));
        assert_eq!(together(b"a\nother\n", b"a\nmodule\nother\n", b"a\nmodule\n", b"a\nother\n"), Together::Merged(b"a\n".to_vec()));
        assert_eq!(together(before, installed, b"start\nmodule, and mine\nend\n", before), Together::Apart);
        assert_eq!(together(b"\xff", b"\xfe", b"\xfd", b"\xff"), Together::Apart);
        assert_eq!(without(before, installed, edited), Together::Merged(b"start\nend\nmine\n".to_vec()));
    }
}
