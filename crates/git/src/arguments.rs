//! The arguments of `git clone` in a manifest, as far as later updates depend on them.

/// What of a repository is cloned.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CloneArguments {
    /// The branch or tag that is checked out.
    pub branch: Option<String>,
    /// The name of the remote.
    pub origin: Option<String>,
    /// Whether submodules are cloned, too.
    pub recursive: bool,
}

/// Options whose value may be the next word.
const VALUED: &[&str] = &[
    "--bundle-uri",
    "--config",
    "-c",
    "--depth",
    "--filter",
    "--jobs",
    "-j",
    "--reference",
    "--reference-if-able",
    "--separate-git-dir",
    "--server-option",
    "--shallow-exclude",
    "--shallow-since",
    "--template",
    "--upload-pack",
    "-u",
];

impl CloneArguments {
    /// Reads them. Git itself refuses what is wrong.
    pub fn parse(arguments: &[String]) -> Self {
        let mut read = Self::default();
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(argument) = arguments.next() {
            let (name, inline) = match argument
                .split_once('=')
                .filter(|(name, _)| name.starts_with("--"))
            {
                Some((name, value)) => (name, Some(value)),
                None => (argument, None),
            };
            match name {
                "--branch" | "-b" => {
                    read.branch = inline.or_else(|| arguments.next()).map(str::to_owned)
                }
                "--origin" | "-o" => {
                    read.origin = inline.or_else(|| arguments.next()).map(str::to_owned)
                }
                "--recursive" | "--recurse-submodules" => read.recursive = true,
                "--no-recurse-submodules" => read.recursive = false,
                name if VALUED.contains(&name) && inline.is_none() => drop(arguments.next()),
                _ => {}
            }
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_updates_depend_on_is_read() {
        let parse = |text: &str| {
            CloneArguments::parse(
                &text
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            parse("--depth 1 -q --filter=blob:none"),
            CloneArguments::default()
        );
        let all = CloneArguments {
            branch: Some("dev".into()),
            origin: Some("up".into()),
            recursive: true,
        };
        assert_eq!(parse("-b dev --origin=up --recurse-submodules=lib"), all);
        assert_eq!(
            parse("--config --branch -b main").branch.as_deref(),
            Some("main")
        );
    }
}
