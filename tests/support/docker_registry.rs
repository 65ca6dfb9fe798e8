//! Debian's `docker-registry`, started on a free loopback port and filled by `skopeo`.

// Each test uses a part of it.
#![allow(dead_code)]

#[path = "certificates.rs"]
pub mod certificates;

use certificates::Authority;
use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The account that a registry with a password knows.
pub const ACCOUNT: (&str, &str) = ("user", "secret");

/// That account with the bcrypt of its password, the only hash that docker-registry takes.
const HTPASSWD: &str = "user:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/// Long enough for a loaded machine; only a broken registry takes it.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How the registry guards itself.
#[derive(Clone, PartialEq)]
pub enum Guard {
    Open,
    Password,
    /// With a certificate of an own authority.
    Tls,
    /// And it asks for its clients' certificates, too.
    TlsClients,
    /// With a certificate that signed itself.
    SelfSigned,
    /// By tokens from the server at this address, signed by the certificate in this file.
    Tokens {
        realm: String,
        signer: PathBuf,
    },
}

pub struct DockerRegistry {
    process: Child,
    dir: tempfile::TempDir,
    guard: Guard,
    authority: Authority,
    /// For skopeo.
    clients: tempfile::TempDir,
    /// `127.0.0.1:PORT`
    pub host: String,
}

impl DockerRegistry {
    /// Starts an empty registry.
    pub fn start(guard: Guard) -> Self {
        // Between the choice of a port and its use, another process may take it.
        (0..5).find_map(|_| Self::try_start(&guard)).expect("docker-registry starts")
    }

    fn try_start(guard: &Guard) -> Option<Self> {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let host = address.to_string();
        let config = dir.path().join("config.yml");
        fs::write(&config, configuration(dir.path(), &host, guard, &authority)).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap_or_else(|error| missing("docker-registry", error));
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(address).is_err() {
            if process.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(Instant::now() < deadline, "docker-registry does not listen on {host}");
            sleep(Duration::from_millis(20));
        }
        let clients = client_files(&authority);
        Some(Self { process, dir, guard: guard.clone(), authority, clients, host })
    }

    /// A directory for `--cert-dir` with all that the registry's clients need.
    pub fn cert_dir(&self) -> tempfile::TempDir {
        match self.guard {
            Guard::TlsClients => client_files(&self.authority),
            Guard::SelfSigned => {
                self.authority.cert_dir(&[(&self.dir.path().join("self.crt"), "ca.crt")])
            }
            _ => self.authority.cert_dir(&[(&self.authority.certificate(), "ca.crt")]),
        }
    }

    /// A certificate and its key from the registry's own authority.
    pub fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        self.authority.issue(name)
    }

    /// Copies all that a tag of an OCI layout names to `name` in the registry.
    pub fn push(&self, layout: &Path, tag: &str, name: &str) {
        let mut command = self.skopeo("copy", "--dest-");
        command.args(["--quiet", "--all", "--preserve-digests"]);
        command.arg(format!("oci:{}:{tag}", layout.display()));
        command.arg(format!("docker://{}/{name}", self.host));
        run(&mut command, "skopeo");
    }

    /// The manifest that skopeo gets for `name`.
    pub fn manifest(&self, name: &str) -> Vec<u8> {
        let mut command = self.skopeo("inspect", "--");
        command.arg("--raw").arg(format!("docker://{}/{name}", self.host));
        run(&mut command, "skopeo")
    }

    fn skopeo(&self, verb: &str, prefix: &str) -> Command {
        let mut command = Command::new("skopeo");
        command.args(["--insecure-policy", verb]).arg(format!("{prefix}tls-verify=false"));
        if matches!(self.guard, Guard::Password | Guard::Tokens { .. }) {
            let (user, password) = ACCOUNT;
            command.arg(format!("{prefix}creds={user}:{password}"));
        }
        if self.guard == Guard::TlsClients {
            command.arg(format!("{prefix}cert-dir={}", self.clients.path().display()));
        }
        command
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        self.process.kill().expect("stop docker-registry");
        self.process.wait().expect("wait for docker-registry");
    }
}

fn client_files(authority: &Authority) -> tempfile::TempDir {
    let (certificate, key) = authority.issue("client");
    authority.cert_dir(&[
        (&authority.certificate(), "ca.crt"),
        (&certificate, "client.cert"),
        (&key, "client.key"),
    ])
}

fn configuration(dir: &Path, host: &str, guard: &Guard, authority: &Authority) -> String {
    let folder = dir.display();
    let base = format!(
        "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    \
         rootdirectory: {folder}/storage\nhttp:\n  addr: {host}\n"
    );
    let tls = |(certificate, key): (PathBuf, PathBuf)| {
        let (certificate, key) = (certificate.display(), key.display());
        format!("{base}  tls:\n    certificate: {certificate}\n    key: {key}\n")
    };
    match guard {
        Guard::Open => base,
        Guard::Password => {
            fs::write(dir.join("htpasswd"), HTPASSWD).unwrap();
            format!("{base}auth:\n  htpasswd:\n    realm: test\n    path: {folder}/htpasswd\n")
        }
        Guard::Tls => tls(authority.issue("server")),
        Guard::TlsClients => {
            let ca = authority.certificate();
            format!("{}    clientcas:\n      - {}\n", tls(authority.issue("server")), ca.display())
        }
        Guard::SelfSigned => {
            let pair = authority.self_signed();
            fs::copy(&pair.0, dir.join("self.crt")).unwrap();
            tls(pair)
        }
        Guard::Tokens { realm, signer } => format!(
            "{base}auth:\n  token:\n    realm: {realm}\n    service: test registry\n    \
             issuer: test issuer\n    rootcertbundle: {}\n",
            signer.display()
        ),
    }
}

fn run(command: &mut Command, package: &str) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| missing(package, error));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output.stdout
}

fn missing<T>(package: &str, error: std::io::Error) -> T {
    match error.kind() {
        ErrorKind::NotFound => panic!("this test needs {package}: apt-get install {package}"),
        _ => panic!("cannot run {package}: {error}"),
    }
}
