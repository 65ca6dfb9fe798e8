//! Debian's `docker-registry`, started on a free loopback port and filled by `skopeo`.

// Each test uses a part of it.
#![allow(dead_code)]

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
#[derive(Clone, Copy, PartialEq)]
pub enum Guard {
    Open,
    Password,
    Tls,
}

pub struct DockerRegistry {
    process: Child,
    dir: tempfile::TempDir,
    guard: Guard,
    /// `127.0.0.1:PORT`
    pub host: String,
}

impl DockerRegistry {
    /// Starts an empty registry.
    pub fn start(guard: Guard) -> Self {
        // Between the choice of a port and its use, another process may take it.
        (0..5).find_map(|_| Self::try_start(guard)).expect("docker-registry starts")
    }

    fn try_start(guard: Guard) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        if guard == Guard::Tls {
            make_certificates(dir.path());
        }
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let host = address.to_string();
        let config = dir.path().join("config.yml");
        fs::write(&config, configuration(dir.path(), &host, guard)).unwrap();
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
        Some(Self { process, dir, guard, host })
    }

    /// The certificate authority of a registry with TLS.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }

    /// Copies all that a tag of an OCI layout names to `name` in the registry.
    pub fn push(&self, layout: &Path, tag: &str, name: &str) {
        let (user, password) = ACCOUNT;
        let mut command = Command::new("skopeo");
        command.args(["--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests"]);
        command.arg("--dest-tls-verify=false");
        if self.guard == Guard::Password {
            command.arg(format!("--dest-creds={user}:{password}"));
        }
        command.arg(format!("oci:{}:{tag}", layout.display()));
        command.arg(format!("docker://{}/{name}", self.host));
        run(&mut command, "skopeo");
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        self.process.kill().expect("stop docker-registry");
        self.process.wait().expect("wait for docker-registry");
    }
}

fn configuration(dir: &Path, host: &str, guard: Guard) -> String {
    let dir = dir.display();
    let base = format!(
        "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    \
         rootdirectory: {dir}/storage\nhttp:\n  addr: {host}\n"
    );
    match guard {
        Guard::Open => base,
        Guard::Password => {
            fs::write(format!("{dir}/htpasswd"), HTPASSWD).unwrap();
            format!("{base}auth:\n  htpasswd:\n    realm: test\n    path: {dir}/htpasswd\n")
        }
        Guard::Tls => {
            format!("{base}  tls:\n    certificate: {dir}/server.crt\n    key: {dir}/server.key\n")
        }
    }
}

/// An authority `ca.crt`, and `server.crt` for 127.0.0.1 that it signed.
fn make_certificates(dir: &Path) {
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        run(command.args(arguments.split(' ')).current_dir(dir), "openssl");
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.crt -subj /CN=ca -days 30"));
    openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=server"));
    fs::write(dir.join("san"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    openssl(
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile san \
         -out server.crt -days 30",
    );
}

fn run(command: &mut Command, package: &str) {
    let output = command.output().unwrap_or_else(|error| missing(package, error));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

fn missing<T>(package: &str, error: std::io::Error) -> T {
    match error.kind() {
        ErrorKind::NotFound => panic!("this test needs {package}: apt-get install {package}"),
        _ => panic!("cannot run {package}: {error}"),
    }
}
