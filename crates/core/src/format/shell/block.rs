//! Where the metadata stand in a script: between `# Metadata: START` and `# Metadata: END`, with
//! any blanks around the parts.

use std::ops::Range;

use crate::Diagnostic;

/// What is wrong with the markers.
#[derive(Debug)]
pub(super) struct BlockError {
    pub(super) diagnostic: Diagnostic,
    /// True when there are none.
    pub(super) absent: bool,
}

/// The bytes between the markers, or what is wrong with them.
pub(super) fn find_block(text: &str) -> Result<Range<usize>, BlockError> {
    locate(text).map_err(|diagnostic| BlockError {
        absent: diagnostic.position.is_none(),
        diagnostic,
    })
}

fn locate(text: &str) -> Result<Range<usize>, Diagnostic> {
    let mut start: Option<(usize, usize)> = None;
    let mut block: Option<Range<usize>> = None;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let next = offset + line.len();
        match (marker(line), start, &block) {
            (Some(Marker::Start), None, None) => start = Some((offset, next)),
            (Some(Marker::Start), Some(_), None) => {
                return Err(
                    Diagnostic::error("a second `# Metadata: START` inside the metadata")
                        .at(text, offset)
                        .help("end the first block with `# Metadata: END`"),
                );
            }
            (Some(Marker::End), Some((_, first)), None) => block = Some(first..offset),
            (Some(Marker::End), None, None) => {
                return Err(
                    Diagnostic::error("`# Metadata: END` without a START before it")
                        .at(text, offset)
                        .help("put `# Metadata: START` on the line before the first field"),
                );
            }
            (Some(Marker::Start), _, Some(_)) => {
                return Err(Diagnostic::error("a second metadata block")
                    .at(text, offset)
                    .help("keep one block"));
            }
            _ => {}
        }
        offset = next;
    }
    match (block, start) {
        (Some(block), _) => Ok(block),
        (None, Some((line, _))) => Err(Diagnostic::error("the metadata block has no END")
            .at(text, line)
            .help("put `# Metadata: END` on its own line after the last field")),
        (None, None) => {
            Err(Diagnostic::error("no metadata: there is neither a `# Metadata: START` line nor a .conf file next to the script")
                .help("put the MODULE_… fields between `# Metadata: START` and `# Metadata: END`"))
        }
    }
}

enum Marker {
    Start,
    End,
}

fn marker(line: &str) -> Option<Marker> {
    let rest = line.trim_start().strip_prefix('#')?.trim();
    let rest = rest
        .strip_prefix("Metadata")?
        .trim_start()
        .strip_prefix(':')?
        .trim();
    match rest {
        "START" => Some(Marker::Start),
        "END" => Some(Marker::End),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_around_the_parts_do_not_matter() {
        for (start, end) in [
            ("# Metadata: START", "# Metadata: END"),
            ("#Metadata:START", "  #  Metadata :  END  "),
        ] {
            let text = format!("#!/bin/bash\n{start}\nA=1\n{end}\nrest\n");
            assert_eq!(&text[find_block(&text).unwrap()], "A=1\n");
        }
    }

    #[test]
    fn each_broken_pair_of_markers_has_its_message() {
        for (text, message) in [
            ("A=1\n", "no metadata"),
            ("# Metadata: START\nA=1\n", "has no END"),
            ("# Metadata: END\n", "without a START"),
            (
                "# Metadata: START\n# Metadata: START\n# Metadata: END\n",
                "inside the metadata",
            ),
            (
                "# Metadata: START\n# Metadata: END\n# Metadata: START\n",
                "second metadata block",
            ),
        ] {
            assert!(
                find_block(text)
                    .unwrap_err()
                    .diagnostic
                    .message
                    .contains(message),
                "{text}"
            );
        }
    }
}
