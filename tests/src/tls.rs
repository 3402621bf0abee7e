//! TLS in front of a server on loopback, with a certificate authority of its own: as in a company
//! whose servers no browser knows.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::{Server, has};

/// A certificate authority that nobody trusts unless told to.
pub struct Authority {
    directory: tempfile::TempDir,
}

/// A server whose certificate that authority has signed; it ends when it is dropped.
pub struct TlsServer {
    process: Child,
    port: u16,
}

/// Accepts TLS and forwards what it reads to a port, and back.
const FORWARD: &str = r#"
import socket, ssl, sys, threading
certificate, key, port = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)

def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

def serve(plain):
    try:
        client = context.wrap_socket(plain, server_side=True)
        server = socket.create_connection(("127.0.0.1", int(port)))
    except OSError:
        return
    threading.Thread(target=copy, args=(server, client), daemon=True).start()
    copy(client, server)

while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"#;

impl Authority {
    /// A new one; `None` where openssl or Python is missing.
    pub fn new() -> Option<Self> {
        if !["openssl", "python3", "setpriv"]
            .iter()
            .all(|program| has(program))
        {
            return None;
        }
        let authority = Self {
            directory: tempfile::Builder::new()
                .prefix("hoist-ca-")
                .tempdir()
                .unwrap(),
        };
        let key = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ];
        let extension = [
            "-x509",
            "-days",
            "30",
            "-addext",
            "keyUsage=critical,keyCertSign",
        ];
        authority.openssl(
            &[
                &["req"],
                &key[..],
                &extension,
                &[
                    "-subj",
                    "/CN=hoist tests",
                    "-keyout",
                    "ca.key",
                    "-out",
                    "ca.pem",
                ],
            ]
            .concat(),
        );
        authority.openssl(
            &[
                &["req"],
                &key[..],
                &[
                    "-subj",
                    "/CN=server",
                    "-keyout",
                    "key.pem",
                    "-out",
                    "request.pem",
                ],
            ]
            .concat(),
        );
        for (name, names) in [
            ("loopback", "IP:127.0.0.1,DNS:localhost"),
            ("other", "DNS:elsewhere.test"),
        ] {
            let names_file = authority.path(&format!("{name}.names"));
            std::fs::write(&names_file, format!("subjectAltName={names}\n")).unwrap();
            let sign = [
                "x509",
                "-req",
                "-in",
                "request.pem",
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
                "-days",
                "30",
            ];
            let (names_file, out) = (names_file.display().to_string(), format!("{name}.pem"));
            authority.openssl(&[&sign[..], &["-extfile", &names_file, "-out", &out]].concat());
        }
        Some(authority)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.directory.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "openssl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The file with its certificate.
    pub fn certificate(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Puts TLS in front of a server, with a certificate for loopback.
    pub fn serve(&self, server: &Server) -> TlsServer {
        self.serve_as("loopback", server)
    }

    /// The same with a certificate for another name.
    pub fn serve_misnamed(&self, server: &Server) -> TlsServer {
        self.serve_as("other", server)
    }

    fn serve_as(&self, certificate: &str, server: &Server) -> TlsServer {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "python3", "-c", FORWARD]);
        command
            .arg(self.path(&format!("{certificate}.pem")))
            .arg(self.path("key.pem"))
            .arg(server.port().to_string());
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        TlsServer {
            process,
            port: line.trim().parse().unwrap(),
        }
    }
}

impl TlsServer {
    /// `https://127.0.0.1:PORT` with this path.
    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    /// The host and port of its URLs.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
