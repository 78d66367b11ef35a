//! A certificate authority for one test, created by openssl.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub struct TestCa {
    directory: PathBuf,
}

impl TestCa {
    pub fn new(directory: &Path) -> Self {
        let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test authority"];
        openssl(directory, &[&new[..], &["-keyout", "ca.key", "-out", "ca.pem"]].concat());
        TestCa { directory: directory.to_owned() }
    }

    pub fn certificate(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// `{name}.pem` and `{name}.key`, for 127.0.0.1 and localhost.
    pub fn certify(&self, into: &Path, name: &str) {
        let (key, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        let ask = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", &key, "-out", &request];
        openssl(into, &ask);
        let names = format!("{name}.ext");
        std::fs::write(into.join(&names), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
        let (ca, ca_key) = (self.directory.join("ca.pem"), self.directory.join("ca.key"));
        let sign = ["x509", "-req", "-days", "2", "-CAcreateserial", "-in", &request, "-out", &certificate];
        let by = ["-CA", ca.to_str().unwrap(), "-CAkey", ca_key.to_str().unwrap(), "-extfile", &names];
        openssl(into, &[&sign[..], &by[..]].concat());
    }
}

fn openssl(directory: &Path, words: &[&str]) {
    let mut command = Command::new("openssl");
    let output = command.current_dir(directory).args(words).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "openssl {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}
