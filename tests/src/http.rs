//! A small HTTP server on loopback: files, answers made by the test, and git repositories through
//! `git http-backend`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a client asks.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST` …
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Behind the `?`.
    pub query: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    /// What follows the headers.
    pub body: Vec<u8>,
}

/// What the server answers.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// 200, 404 …
    pub status: u16,
    /// More headers.
    pub headers: Vec<(String, String)>,
    /// What follows them.
    pub body: Vec<u8>,
    /// A length that is announced though it is not true.
    pub announced: Option<usize>,
    /// Answers, and then neither sends nor closes for so long.
    pub stall: Duration,
}

impl Answer {
    /// A status with a text.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            body: body.into(),
            ..Self::default()
        }
    }
}

type Handler = dyn Fn(&Request) -> Answer + Send + Sync;

/// A server that ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers with what `handler` says.
    pub fn start(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::with_latency(Duration::ZERO, handler)
    }

    /// Serves the repositories below a directory, each answer late by `latency`.
    pub fn git(root: PathBuf, latency: Duration) -> Self {
        Self::with_latency(latency, move |request| git_backend(&root, request))
    }

    /// Serves the repositories below a directory, and stops in the middle of every answer that
    /// holds objects.
    pub fn git_that_stops(root: PathBuf) -> Self {
        Self::start(move |request| {
            let mut answer = git_backend(&root, request);
            if request.method == "POST" && answer.body.len() > 400 {
                answer.announced = Some(answer.body.len());
                answer.body.truncate(answer.body.len() * 2 / 3);
            }
            answer
        })
    }

    /// A proxy that answers for one host with the repositories below a directory, and refuses
    /// everything else.
    pub fn git_as(host: &'static str, root: PathBuf) -> Self {
        Self::start(move |request| match request.path.strip_prefix(host) {
            Some(path) => git_backend(
                &root,
                &Request {
                    path: path.to_owned(),
                    ..request.clone()
                },
            ),
            None => Answer::new(502, "not here"),
        })
    }

    /// Answers with what `handler` says, each answer late by `latency`.
    pub fn with_latency(
        latency: Duration,
        handler: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (ended, log, handler): (_, _, Arc<Handler>) = (
            Arc::new(AtomicBool::new(false)),
            Arc::<Mutex<Vec<String>>>::default(),
            Arc::new(handler),
        );
        let (end, requests) = (ended.clone(), log.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if end.load(Ordering::SeqCst) {
                    break;
                }
                let (handler, requests) = (handler.clone(), requests.clone());
                std::thread::spawn(move || {
                    // The handshake takes a round trip too.
                    std::thread::sleep(latency);
                    let _ = converse(stream, latency, &*handler, &requests);
                });
            }
        });
        Self {
            address,
            ended,
            log,
        }
    }

    /// `http://127.0.0.1:PORT` with this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Serves the repositories below a directory to whom has this user name and password.
    pub fn git_for(root: PathBuf, user: &str, password: &str) -> Self {
        let allowed = format!("Basic {}", base64(format!("{user}:{password}").as_bytes()));
        Self::start(move |request| match request.headers.get("authorization") {
            Some(given) if *given == allowed => git_backend(&root, request),
            _ => {
                let mut answer = Answer::new(401, "who are you?");
                answer
                    .headers
                    .push(("WWW-Authenticate".into(), "Basic realm=\"test\"".into()));
                answer
            }
        })
    }

    /// `METHOD PATH` of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// A proxy that tunnels connections to servers on loopback; it ends when it is dropped.
pub struct Tunnel {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
}

impl Tunnel {
    /// Starts it; every connection that it makes is counted.
    pub fn start(count: Arc<std::sync::atomic::AtomicUsize>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let end = ended.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if end.load(Ordering::SeqCst) {
                    break;
                }
                let count = count.clone();
                std::thread::spawn(move || drop(tunnel(stream, &count)));
            }
        });
        Self { address, ended }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn tunnel(client: TcpStream, count: &std::sync::atomic::AtomicUsize) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::from("x");
    while !line.trim().is_empty() {
        line.clear();
        reader.read_line(&mut line)?;
    }
    let target = first
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    let mut writer = client;
    if !first.starts_with("CONNECT 127.0.0.1:") {
        return writer.write_all(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    }
    count.fetch_add(1, Ordering::SeqCst);
    let mut server = TcpStream::connect(target)?;
    writer.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut from_server, mut to_server) = (server.try_clone()?, server.try_clone()?);
    let forth = std::thread::spawn(move || {
        let _ = std::io::copy(&mut reader, &mut to_server);
        let _ = to_server.shutdown(std::net::Shutdown::Write);
    });
    let copied = std::io::copy(&mut from_server, &mut writer);
    let _ = writer.shutdown(std::net::Shutdown::Both);
    let _ = forth.join();
    let _ = server.flush();
    copied.map(drop)
}

/// Answers the requests of one connection until it is closed.
fn converse(
    stream: TcpStream,
    latency: Duration,
    handler: &Handler,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(request) = read_request(&mut reader, &mut writer)? {
        log.lock()
            .unwrap()
            .push(format!("{} {}", request.method, request.path));
        std::thread::sleep(latency);
        let answer = handler(&request);
        let length = answer.announced.unwrap_or(answer.body.len());
        let mut head = format!(
            "HTTP/1.1 {} Answer\r\nContent-Length: {length}\r\n",
            answer.status
        );
        answer
            .headers
            .iter()
            .for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        writer.write_all(format!("{head}\r\n").as_bytes())?;
        writer.write_all(&answer.body)?;
        writer.flush()?;
        std::thread::sleep(answer.stall);
        if answer.announced.is_some() {
            return Ok(());
        }
    }
    Ok(())
}

fn read_request(
    reader: &mut BufReader<TcpStream>,
    writer: &mut TcpStream,
) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (
        words.next().unwrap_or_default().to_owned(),
        words.next().unwrap_or_default(),
    );
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    if headers
        .get("expect")
        .is_some_and(|expect| expect.eq_ignore_ascii_case("100-continue"))
    {
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = Vec::new();
    if headers
        .get("transfer-encoding")
        .is_some_and(|encoding| encoding.contains("chunked"))
    {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk)?;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = headers
        .get("content-length")
        .and_then(|length| length.parse().ok())
    {
        body = vec![0; length];
        reader.read_exact(&mut body)?;
    }
    Ok(Some(Request {
        method,
        path,
        query,
        headers,
        body,
    }))
}

/// Runs `git http-backend` for one request.
fn git_backend(root: &Path, request: &Request) -> Answer {
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let mut child = Command::new("git")
        .arg("http-backend")
        .envs([
            ("GIT_PROJECT_ROOT", root.display().to_string()),
            ("GIT_HTTP_EXPORT_ALL", "1".into()),
            ("PATH_INFO", request.path.clone()),
        ])
        .envs([
            ("REQUEST_METHOD", request.method.clone()),
            ("QUERY_STRING", request.query.clone()),
            ("REMOTE_ADDR", "127.0.0.1".into()),
        ])
        .envs([
            ("CONTENT_TYPE", header("content-type")),
            ("CONTENT_LENGTH", request.body.len().to_string()),
        ])
        .envs([
            ("HTTP_CONTENT_ENCODING", header("content-encoding")),
            ("GIT_PROTOCOL", header("git-protocol")),
            ("HOME", "/nonexistent".into()),
        ])
        .envs([
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", "safe.directory"),
            ("GIT_CONFIG_VALUE_0", "*"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut stdin, body) = (child.stdin.take().unwrap(), request.body.clone());
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&body)));
    let output = child.wait_with_output().unwrap().stdout;
    feeder.join().unwrap();
    let split = output
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or(output.len());
    let head = String::from_utf8_lossy(&output[..split]).into_owned();
    let mut answer = Answer::new(200, output.get(split + 4..).unwrap_or_default());
    for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
        match name {
            "Status" => {
                answer.status = value
                    .split_whitespace()
                    .next()
                    .and_then(|code| code.parse().ok())
                    .unwrap_or(500)
            }
            _ => answer
                .headers
                .push((name.to_owned(), value.trim().to_owned())),
        }
    }
    answer
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let bits = chunk
            .iter()
            .chain(&[0, 0])
            .take(3)
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let digit = |place: usize| match place <= chunk.len() {
            true => char::from(ALPHABET[(bits >> (18 - 6 * place)) as usize & 63]),
            false => '=',
        };
        (0..4).map(digit).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}
