//! Downloads over HTTP, or from a path: in this process, with limits, with the certificates and
//! proxies of the machine.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hoist_core::{Environment, is_path, redact_urls};
use hoist_executor::Failure;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

/// A chain of more redirects is a loop.
const MAX_REDIRECTS: usize = 10;

/// An HTTP client. Certificates are checked against the machine's store, or `SSL_CERT_FILE` and
/// `SSL_CERT_DIR`.
#[derive(Debug)]
pub struct Client {
    proxies: Proxies,
    /// One for each proxy, and one for none.
    agents: Mutex<BTreeMap<Option<String>, Agent>>,
}

impl Client {
    /// A client that gives up, and uses the proxies that the environment names.
    pub fn new(environment: &Environment) -> Self {
        Self {
            proxies: Proxies::of(environment),
            agents: Mutex::default(),
        }
    }

    /// Requests a URL, or opens a file.
    pub fn open(&self, url: &str) -> Result<Box<dyn Read>, Failure> {
        if is_path(url) {
            let path = Path::new(url.strip_prefix("file://").unwrap_or(url));
            let file = std::fs::File::open(path)
                .map_err(|error| Failure::new(format!("{url}: {error}")))?;
            return Ok(Box::new(file));
        }
        let mut location = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let proxy = self.proxies.of_url(&location);
            let agent = self
                .agent(proxy.clone())
                .map_err(|error| Failure::new(redact_urls(&error)))?;
            log::debug!("requesting {}", redact_urls(&location));
            let response = agent
                .get(&location)
                .call()
                .map_err(|error| failure(&location, proxy.as_deref(), error))?;
            log::debug!("{} returned {}", redact_urls(&location), response.status());
            let target = response
                .headers()
                .get("location")
                .and_then(|target| target.to_str().ok());
            match target.filter(|_| response.status().is_redirection()) {
                Some(target) => {
                    let next = joined(&location, target);
                    if is_secure(&location) && !is_secure(&next) {
                        let message = format!(
                            "{} redirects from https to {}",
                            redact_urls(&location),
                            redact_urls(&next)
                        );
                        return Err(Failure::new(format!(
                            "{message}, which is not protected against changes; the redirect was not followed"
                        )));
                    }
                    location = next;
                }
                None => return Ok(Box::new(response.into_body().into_reader())),
            }
        }
        Err(Failure::new(format!(
            "{}: more than {MAX_REDIRECTS} redirects",
            redact_urls(url)
        )))
    }

    /// Everything at a place, up to a size in bytes.
    pub fn read(&self, url: &str, limit: u64) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let source = self.open(url)?;
        let shown = redact_urls(url);
        source
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::transient(format!("{shown}: {error}")))?;
        match bytes.len() as u64 > limit {
            true => Err(Failure::new(format!(
                "{shown}: it is larger than {limit} bytes"
            ))),
            false => Ok(bytes),
        }
    }

    fn agent(&self, proxy: Option<String>) -> Result<Agent, String> {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&proxy) {
            return Ok(agent.clone());
        }
        let connects_through = match &proxy {
            Some(proxy) => Some(
                Proxy::new(proxy)
                    .map_err(|error| format!("cannot use the proxy {proxy}: {error}"))?,
            ),
            None => None,
        };
        let config = Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .max_idle_connections_per_host(32)
            .max_redirects(0)
            .proxy(connects_through)
            .tls_config(
                TlsConfig::builder()
                    .root_certs(RootCerts::PlatformVerifier)
                    .build(),
            )
            .user_agent(concat!("hoist/", env!("CARGO_PKG_VERSION")));
        let agent: Agent = config.build().into();
        agents.insert(proxy, agent.clone());
        Ok(agent)
    }
}

/// What went wrong, and whether it may pass. Certificates, names and refusals stay what they are.
fn failure(url: &str, proxy: Option<&str>, error: ureq::Error) -> Failure {
    let through = proxy
        .map(|proxy| format!(" (through the proxy {proxy})"))
        .unwrap_or_default();
    let message = |what: &dyn std::fmt::Display| redact_urls(&format!("{url}: {what}{through}"));
    match error {
        ureq::Error::StatusCode(status) => {
            let message = message(&format!("the server returned {status}"));
            if status >= 500 || status == 429 || status == 408 {
                Failure::transient(message)
            } else {
                Failure::new(message)
            }
        }
        // TLS reports certificates as data that is not valid.
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            Failure::new(message(&error))
        }
        ureq::Error::Io(error) => Failure::transient(message(&error)),
        error @ (ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed) => {
            Failure::transient(message(&error))
        }
        ureq::Error::HostNotFound => match proxy {
            Some(proxy) => Failure::new(redact_urls(&format!(
                "{url}: the proxy {proxy} was not found: correct the proxy variables"
            ))),
            None => Failure::new(message(&"the host was not found")),
        },
        error => Failure::new(message(&error)),
    }
}

/// True for a URL of a protocol that nobody on the way can read or change.
pub fn is_secure(url: &str) -> bool {
    url.split_once("://")
        .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
}

/// The URL that a redirect leads to.
fn joined(base: &str, target: &str) -> String {
    if target.contains("://") {
        return target.to_owned();
    }
    let scheme = base.split_once("://").map_or("https", |(scheme, _)| scheme);
    if let Some(rest) = target.strip_prefix("//") {
        return format!("{scheme}://{rest}");
    }
    let start = scheme.len() + 3;
    let end = base[start..]
        .find(['/', '?', '#'])
        .map_or(base.len(), |end| start + end);
    if target.starts_with('/') {
        return format!("{}{target}", &base[..end]);
    }
    let path = base[end..].split(['?', '#']).next().unwrap_or_default();
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    format!("{}{directory}/{target}", &base[..end])
}

/// The proxies that the environment names, and the hosts that are connected to without one.
#[derive(Debug, Default)]
struct Proxies {
    http: Option<String>,
    https: Option<String>,
    exceptions: Vec<Exception>,
}

/// An entry of `NO_PROXY`.
#[derive(Debug, PartialEq, Eq)]
enum Exception {
    All,
    /// A host and everything below it, on one port or on all.
    Host(String, Option<u16>),
    /// Addresses that begin with these bits, on one port or on all.
    Network(IpAddr, u32, Option<u16>),
}

impl Proxies {
    fn of(environment: &Environment) -> Self {
        let first = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| environment.get(name).filter(|value| !value.is_empty()))
        };
        let proxy = |names: &[&str]| {
            let value = first(names).or_else(|| first(&["all_proxy", "ALL_PROXY"]))?;
            Some(if value.contains("://") {
                value.to_owned()
            } else {
                format!("http://{value}")
            })
        };
        let exceptions = first(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
        Self {
            http: proxy(&["http_proxy", "HTTP_PROXY"]),
            https: proxy(&["https_proxy", "HTTPS_PROXY"]),
            exceptions: exceptions
                .split([',', ' '])
                .filter_map(Exception::parse)
                .collect(),
        }
    }

    /// The proxy that requests for a URL go through.
    fn of_url(&self, url: &str) -> Option<String> {
        let (scheme, rest) = url.split_once("://")?;
        let is_https = scheme.eq_ignore_ascii_case("https");
        let authority = rest.split(['/', '?', '#']).next()?;
        let authority = authority.rsplit('@').next()?;
        let (host, port) = split_port(authority);
        let port = port.unwrap_or(if is_https { 443 } else { 80 });
        let proxy = if is_https { &self.https } else { &self.http };
        proxy.clone().filter(|_| {
            !self
                .exceptions
                .iter()
                .any(|exception| exception.covers(&host, port))
        })
    }
}

/// A host without brackets, in lower case, and its port.
fn split_port(authority: &str) -> (String, Option<u16>) {
    let (host, port) = match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        // More than one colon: an address without brackets.
        None if authority.matches(':').count() > 1 => (authority, None),
        None => authority
            .split_once(':')
            .map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    (
        host.to_ascii_lowercase(),
        port.and_then(|port| port.parse().ok()),
    )
}

impl Exception {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "*" {
            return Some(Self::All);
        }
        if let Some((address, bits)) = text.split_once('/') {
            let (bits, port) = split_port(bits);
            let address: IpAddr = address.trim_matches(['[', ']']).parse().ok()?;
            return Some(Self::Network(address, bits.parse().ok()?, port));
        }
        let (host, port) = split_port(text);
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self::Network(
                address,
                if address.is_ipv4() { 32 } else { 128 },
                port,
            ));
        }
        let host = host
            .trim_start_matches('*')
            .trim_start_matches('.')
            .trim_end_matches('.');
        (!host.is_empty()).then(|| Self::Host(host.to_owned(), port))
    }

    fn covers(&self, host: &str, port: u16) -> bool {
        let on_port = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        match self {
            Self::All => true,
            Self::Host(name, wanted) => {
                let host = host.trim_end_matches('.');
                let is_below = host
                    .strip_suffix(name.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                is_below && on_port(wanted)
            }
            Self::Network(network, bits, wanted) => {
                host.parse()
                    .is_ok_and(|address| is_in(address, *network, *bits))
                    && on_port(wanted)
            }
        }
    }
}

/// True where two addresses of one kind have their first bits in common.
fn is_in(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (one, other, width) = match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (u128::from(one.to_bits()), u128::from(other.to_bits()), 32)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits(), 128),
        _ => return false,
    };
    bits <= width && (bits == 0 || (one ^ other) >> (width - bits) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::of(
            &variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn a_proxy_counts_for_its_scheme() {
        let both = proxies(&[("http_proxy", "one:1"), ("HTTPS_PROXY", "http://two:2")]);
        assert_eq!(
            both.of_url("http://host/a").as_deref(),
            Some("http://one:1")
        );
        assert_eq!(
            both.of_url("https://host/a").as_deref(),
            Some("http://two:2")
        );
        assert_eq!(
            proxies(&[("ALL_PROXY", "http://all")])
                .of_url("https://host")
                .as_deref(),
            Some("http://all")
        );
        assert_eq!(proxies(&[]).of_url("https://host"), None);
    }

    #[test]
    fn exceptions_are_hosts_suffixes_ports_and_networks() {
        let direct = |exceptions: &str, url: &str| {
            proxies(&[("all_proxy", "http://p"), ("no_proxy", exceptions)])
                .of_url(url)
                .is_none()
        };
        for (exceptions, url) in [
            ("*", "https://any.test"),
            ("corp.test", "https://corp.test/x"),
            ("corp.test", "https://git.corp.test"),
            (".corp.test", "https://a.b.corp.test:8443"),
            ("*.corp.test, other", "https://me@GIT.corp.test/"),
            ("localhost,corp.test:8443", "https://corp.test:8443"),
            ("corp.test:443", "https://corp.test"),
            ("10.0.0.0/8", "http://10.20.30.40/x"),
            ("127.0.0.1", "http://127.0.0.1:8080"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("fd00::/8", "http://[fd12::1]:80/"),
            ("::1", "http://[::1]/"),
        ] {
            assert!(direct(exceptions, url), "{exceptions} {url}");
        }
        for (exceptions, url) in [
            ("corp.test", "https://notcorp.test"),
            ("corp.test:8443", "https://corp.test"),
            ("10.0.0.0/8", "http://11.0.0.1"),
            ("10.0.0.0/33", "http://10.0.0.0"),
            ("127.0.0.1:8080", "http://127.0.0.1:8081"),
            ("", "http://host"),
        ] {
            assert!(!direct(exceptions, url), "{exceptions} {url}");
        }
    }

    #[test]
    fn redirects_are_relative_to_where_they_come_from() {
        for (target, wanted) in [
            ("https://b/x", "https://b/x"),
            ("//b/x", "https://b/x"),
            ("/x", "https://a:1/x"),
            ("x", "https://a:1/p/x"),
        ] {
            assert_eq!(joined("https://a:1/p/q?r", target), wanted);
        }
        assert_eq!(joined("http://a", "x"), "http://a/x");
    }
}
