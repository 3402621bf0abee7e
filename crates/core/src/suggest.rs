//! "Did you mean": the nearest of the names that exist.

/// The candidate nearest to `name`, when one is near enough to be a slip of the keyboard.
///
/// Near means at most one edit in three characters (insert, delete, replace, swap), letter case
/// ignored, or one name being the other with an ending.
pub fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= (wanted.chars().count() / 3).clamp(1, 3))
        .min()
        .map(|(_, candidate)| candidate)
}

fn distance(wanted: &str, candidate: &str) -> usize {
    let extends = |long: &str, short: &str| long.starts_with(short) && short.len() >= 4;
    match extends(wanted, candidate) || extends(candidate, wanted) {
        true => 1,
        false => strsim::damerau_levenshtein(wanted, candidate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_other_words_are_not() {
        let names = ["bash-it", "fzf", "zoxide", "pyenv"];
        assert_eq!(did_you_mean("bash_it", names), Some("bash-it"));
        assert_eq!(did_you_mean("zoxdie", names), Some("zoxide"));
        assert_eq!(did_you_mean("PyEnv2", names), Some("pyenv"));
        assert_eq!(did_you_mean("kubectl", names), None);
    }
}
