//! The script of a page: a filter and sorting for the table of modules. A page without it is
//! complete, and shows the table as it is.

/// Pages with more modules than this have the script.
pub(crate) const MANY: usize = 50;

const SCRIPT: &str = include_str!("page.js");

/// The digest of the script, by which the page's security policy allows it and no other.
pub(crate) const HASH: &str = "sha256-c6y9l4JR+W+i5jaroCKV1s1jf5LCiprN37N61scsxZ4=";

/// The script element.
pub(crate) fn element() -> String {
    format!("<script>{SCRIPT}</script>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_allows_the_script() {
        let bytes = <sha2::Sha256 as sha2::Digest>::digest(SCRIPT);
        assert_eq!(HASH, format!("sha256-{}", base64(&bytes)));
    }

    fn base64(bytes: &[u8]) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let group = |group: &[u8]| {
            let bits = group
                .iter()
                .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
                << (8 * (3 - group.len()));
            let letter = |place: usize| match place <= group.len() {
                true => char::from(LETTERS[(bits >> (18 - 6 * place) & 63) as usize]),
                false => '=',
            };
            (0..4).map(letter).collect::<String>()
        };
        bytes.chunks(3).map(group).collect()
    }
}
