//! A certificate authority, made by openssl.

// Each test uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// For whom servers' certificates are.
const NAMES: &str = "subjectAltName=IP:127.0.0.1,DNS:registry.test";

pub struct Authority {
    dir: tempfile::TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let authority = Self { dir: tempfile::tempdir().unwrap() };
        let request = format!("req -x509 {KEY} -keyout ca.key -out ca.crt -subj /CN=ca -days 30");
        authority.openssl(&request);
        authority
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.path("ca.crt")
    }

    /// `NAME.crt` and `NAME.key` for 127.0.0.1 and registry.test, good for servers and clients.
    pub fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        self.openssl(&format!("req {KEY} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        fs::write(self.path("names"), NAMES).unwrap();
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile names \
             -out {name}.crt -days 30"
        ));
        (self.path(&format!("{name}.crt")), self.path(&format!("{name}.key")))
    }

    /// What `openssl req -x509` makes of its own accord: an authority that serves as a server.
    pub fn self_signed(&self) -> (PathBuf, PathBuf) {
        self.openssl(&format!(
            "req -x509 {KEY} -keyout self.key -out self.crt -subj /CN=self -addext {NAMES} -days 30"
        ));
        (self.path("self.crt"), self.path("self.key"))
    }

    /// A directory in the form of containers-certs.d(5) with these files.
    pub fn cert_dir(&self, files: &[(&Path, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (from, name) in files {
            fs::copy(from, dir.path().join(name)).unwrap();
        }
        dir
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split_ascii_whitespace()).current_dir(self.dir.path());
        let output = command.output().expect("this test needs openssl: apt-get install openssl");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}");
    }
}
