//! What a remote has, without fetching it.

use std::path::Path;

use hoist_executor::Failure;

use crate::program::Program;

/// The state of a remote, as far as one branch is concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteState {
    /// The branch that the remote's HEAD leads to.
    pub default: Option<String>,
    /// The commit at the remote's HEAD.
    pub head: Option<String>,
    /// The commit at the branch; `None` where the remote has no such branch.
    pub branch: Option<String>,
}

/// Asks a remote, by name or URL, for its HEAD and for one branch.
pub fn ask(
    program: &Program<'_>,
    remote: &str,
    shown: &str,
    branch: &str,
) -> Result<RemoteState, Failure> {
    let wanted = format!("refs/heads/{branch}");
    let arguments = ["ls-remote", "--symref", "--", remote, "HEAD", &wanted];
    let text = program.transfer(&format!("cannot reach {shown}"), arguments, Path::new(""))?;
    Ok(parse(&text, &wanted))
}

fn parse(text: &str, wanted: &str) -> RemoteState {
    let mut state = RemoteState::default();
    for (value, name) in text.lines().filter_map(|line| line.split_once('\t')) {
        match value.strip_prefix("ref: ") {
            Some(target) if name == "HEAD" => {
                state.default = target.strip_prefix("refs/heads/").map(str::to_owned)
            }
            Some(_) => {}
            None if name == "HEAD" => state.head = Some(value.to_owned()),
            None if name == wanted => state.branch = Some(value.to_owned()),
            // Patterns also fit the end of other names.
            None => {}
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_refs_that_were_asked_for_count() {
        let text = "ref: refs/heads/main\tHEAD\naa\tHEAD\nbb\trefs/heads/old\ncc\trefs/heads/x/refs/heads/old\ndd\trefs/remotes/o/HEAD\n";
        let state = parse(text, "refs/heads/old");
        assert_eq!(
            state,
            RemoteState {
                default: Some("main".into()),
                head: Some("aa".into()),
                branch: Some("bb".into())
            }
        );
        assert_eq!(parse("aa\tHEAD\n", "refs/heads/old").branch, None);
    }
}
