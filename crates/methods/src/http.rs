//! What is fetched over HTTP, or read from a path: in this process, with limits.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use hoist_core::is_path;
use hoist_executor::Failure;

/// A client that gives up.
pub(crate) fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .max_idle_connections_per_host(32)
        .user_agent(concat!("hoist/", env!("CARGO_PKG_VERSION")));
    config.build().into()
}

/// Asks a server, or opens a file.
pub(crate) fn open(agent: &ureq::Agent, url: &str) -> Result<Box<dyn Read>, Failure> {
    let wrong = |message: String| format!("{url}: {message}");
    if is_path(url) {
        let path = Path::new(url.strip_prefix("file://").unwrap_or(url));
        let file = std::fs::File::open(path).map_err(|error| Failure::new(wrong(error.to_string())))?;
        return Ok(Box::new(file));
    }
    match agent.get(url).call() {
        Ok(response) => Ok(Box::new(response.into_body().into_reader())),
        Err(ureq::Error::StatusCode(status)) => {
            let message = wrong(format!("the server answers {status}"));
            Err(if status >= 500 || status == 429 || status == 408 { Failure::transient(message) } else { Failure::new(message) })
        }
        Err(error @ (ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::HostNotFound | ureq::Error::ConnectionFailed)) => {
            Err(Failure::transient(wrong(error.to_string())))
        }
        Err(error) => Err(Failure::new(wrong(error.to_string()))),
    }
}

/// Everything at a place, up to a size.
pub(crate) fn read(agent: &ureq::Agent, url: &str, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let source = open(agent, url)?;
    source.take(limit + 1).read_to_end(&mut bytes).map_err(|error| Failure::transient(format!("{url}: {error}")))?;
    match bytes.len() as u64 > limit {
        true => Err(Failure::new(format!("{url}: it has more than {limit} bytes"))),
        false => Ok(bytes),
    }
}
