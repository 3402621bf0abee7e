//! User names and passwords in URLs: kept for the program that connects, and out of everything that
//! is displayed or recorded.

/// What a URL displays in place of a secret.
const MASK: &str = "***";

/// The user name and password in front of the host of a URL, as they are written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Userinfo {
    /// The user name; empty where there is only a password.
    pub user: String,
    /// The password, where there is one.
    pub password: Option<String>,
}

impl Userinfo {
    /// The user name and the password with their percent-encoding undone.
    pub fn decoded(&self) -> (String, Option<String>) {
        (decoded(&self.user), self.password.as_deref().map(decoded))
    }

    /// The parts that must not be displayed: the password, or the user name where that is the
    /// token.
    pub fn secrets(&self) -> Vec<String> {
        // `https://TOKEN@host` and `https://TOKEN:x-oauth-basic@host` have the token in the place
        // of the user.
        let secret = match self.password.as_deref() {
            None | Some("" | "x-oauth-basic") => &self.user,
            Some(password) => password,
        };
        let mut secrets = vec![secret.to_owned(), decoded(secret)];
        secrets.dedup();
        secrets.retain(|secret| !secret.is_empty());
        secrets
    }
}

/// Splits an HTTP URL into the URL without user name and password, and these. Other URLs are
/// returned as they are: the user name of an ssh URL is part of the address.
pub fn without_userinfo(url: &str) -> (String, Option<Userinfo>) {
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| is_http(scheme)) else {
        return (url.to_owned(), None);
    };
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let Some((userinfo, host)) = authority.rsplit_once('@') else {
        return (url.to_owned(), None);
    };
    let (user, password) = match userinfo.split_once(':') {
        Some((user, password)) => (user, Some(password.to_owned())),
        None => (userinfo, None),
    };
    let clean = format!("{scheme}://{host}{}", &rest[authority.len()..]);
    (
        clean,
        Some(Userinfo {
            user: user.to_owned(),
            password,
        }),
    )
}

/// The text with the user names and passwords of all HTTP URLs, the passwords of other URLs, and
/// the values of query parameters with the name of a secret replaced by `***`.
pub fn redact_urls(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find("://") {
        let (before, after) = (&rest[..position], &rest[position + 3..]);
        redacted.push_str(before);
        redacted.push_str("://");
        let scheme = before
            .rsplit(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'))
            .next()
            .unwrap_or_default();
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`'))
            .unwrap_or(after.len());
        redacted.push_str(&redacted_rest(scheme, &after[..end]));
        rest = &after[end..];
    }
    redacted.push_str(rest);
    redacted
}

/// Redacts the part of a URL behind its `://`.
fn redacted_rest(scheme: &str, rest: &str) -> String {
    let mut end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // Text after a colon that is not a port is a password with an unescaped slash.
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_cut = !rest[..end].contains('@')
        && rest[..end]
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.ends_with(']') && !is_port(port));
    if let Some(last) = rest.rfind('@').filter(|_| is_cut) {
        end = last
            + rest[last..]
                .find(['/', '?', '#'])
                .unwrap_or(rest.len() - last);
    }
    let (authority, path) = rest.split_at(end);
    let authority = match authority.rsplit_once('@') {
        None => authority.to_owned(),
        Some((_, host)) if is_http(scheme) => format!("{MASK}@{host}"),
        Some((userinfo, host)) => match userinfo.split_once(':') {
            Some((user, _)) => format!("{user}:{MASK}@{host}"),
            None => authority.to_owned(),
        },
    };
    let Some((path, query)) = path.split_once('?') else {
        return authority + path;
    };
    let parameter = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if is_secret_parameter(name) && !value.is_empty() => {
            format!("{name}={MASK}")
        }
        _ => parameter.to_owned(),
    };
    let query: Vec<String> = query.split('&').map(parameter).collect();
    format!("{authority}{path}?{}", query.join("&"))
}

fn is_http(scheme: &str) -> bool {
    ["http", "https"]
        .iter()
        .any(|http| scheme.eq_ignore_ascii_case(http))
}

/// The names that services give to the parameters of signed and private URLs.
fn is_secret_parameter(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "token",
        "secret",
        "password",
        "passwd",
        "signature",
        "credential",
        "api_key",
        "apikey",
    ]
    .iter()
    .any(|word| name.contains(word))
        || matches!(name.as_str(), "key" | "sig" | "auth" | "pwd")
}

/// The values of query parameters of a URL that have the name of a secret.
pub fn secret_parameters(url: &str) -> Vec<String> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let parameters = query
        .split('&')
        .filter_map(|parameter| parameter.split_once('='));
    let secret = parameters.filter(|(name, value)| is_secret_parameter(name) && !value.is_empty());
    secret.map(|(_, value)| value.to_owned()).collect()
}

/// Undoes percent-encoding; what is not such stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while position < bytes.len() {
        let hex = bytes
            .get(position + 1..position + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        match hex
            .filter(|_| bytes[position] == b'%')
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        {
            Some(byte) => {
                decoded.push(byte);
                position += 3;
            }
            None => {
                decoded.push(bytes[position]);
                position += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_and_passwords_are_split_off() {
        let (url, userinfo) = without_userinfo("https://me:p%40ss@host:8443/a/b.git");
        let userinfo = userinfo.unwrap();
        assert_eq!(url, "https://host:8443/a/b.git");
        assert_eq!(
            userinfo.decoded(),
            ("me".to_owned(), Some("p@ss".to_owned()))
        );
        assert_eq!(userinfo.secrets(), ["p%40ss", "p@ss"]);
        for unchanged in [
            "https://host/a@b",
            "ssh://git@host/a",
            "git@host:a",
            "/srv/a@b",
            "file:///a@b",
        ] {
            assert_eq!(
                without_userinfo(unchanged),
                (unchanged.to_owned(), None),
                "{unchanged}"
            );
        }
        let token = |url: &str| without_userinfo(url).1.unwrap().secrets();
        assert_eq!(token("https://ghp_token@host/a"), ["ghp_token"]);
        assert_eq!(
            token("https://ghp_token:x-oauth-basic@host/a"),
            ["ghp_token"]
        );
        assert_eq!(token("https://oauth2:glpat@host"), ["glpat"]);
    }

    #[test]
    fn secrets_in_urls_are_not_displayed() {
        for (text, displayed) in [
            (
                "cloning https://me:secret@host/a.git: no",
                "cloning https://***@host/a.git: no",
            ),
            (
                "'https://token@host' and \"HTTP://a:b@c/d\"",
                "'https://***@host' and \"HTTP://***@c/d\"",
            ),
            (
                "ssh://git@host/a ssh://git:secret@host/a",
                "ssh://git@host/a ssh://git:***@host/a",
            ),
            (
                "https://host/a?private_token=secret&ref=main",
                "https://host/a?private_token=***&ref=main",
            ),
            ("https://host/a@b mail@host", "https://host/a@b mail@host"),
            ("https://a:b@c@host/x", "https://***@host/x"),
        ] {
            assert_eq!(redact_urls(text), displayed);
        }
        assert_eq!(
            secret_parameters("https://h/a?ref=b&access_token=c#d"),
            ["c"]
        );
        for (url, shown) in [
            ("http://user:se/cret@host/r.git", "http://***@host/r.git"),
            ("https://user:se?cr#et@host:80/r", "https://***@host:80/r"),
            ("http://host:8080/a@b", "http://host:8080/a@b"),
            ("http://[::1]:8080/a@b", "http://[::1]:8080/a@b"),
            ("http://[fe80::a]/a@b", "http://[fe80::a]/a@b"),
        ] {
            assert_eq!(redact_urls(url), shown);
        }
    }
}
