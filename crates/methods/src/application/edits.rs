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
    if let (Some((before, installed)), Some((edited, now))) = (texts(before, installed), texts(edited, now)) {
        let added = lost(installed, before);
        let taken = lost(edited, now);
        // What somebody wrote is gone only where lines are that the installer had not added.
        if taken.iter().all(|(line, count)| added.get(line).is_some_and(|added| added >= count)) {
            return Together::Theirs;
        }
        return match diffy::merge(installed, edited, now) {
            Ok(merged) => Together::Merged(merged.into_bytes()),
            Err(_) => Together::Apart,
        };
    }
    Together::Apart
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
        assert_eq!(together(before, installed, b"start\nmodule, and mine\nend\n", before), Together::Apart);
        assert_eq!(together(b"\xff", b"\xfe", b"\xfd", b"\xff"), Together::Apart);
    }
}
