//! ChromeDriver, started for one test on a free port and stopped after it, with its browser.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::lines_of;

/// Headless, without sandbox (tests run as root in containers) and without calling home.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
];

pub struct Driver {
    url: String,
    child: Child,
    profile: TempDir,
}

impl Driver {
    pub fn start() -> Self {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .env("FONTCONFIG_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/fonts.conf"))
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed; tests/run installs it");
        let lines = lines_of(child.stdout.take().unwrap());
        let port = loop {
            let line = lines.recv_timeout(Duration::from_secs(30)).expect("chromedriver says its port");
            if let Some((_, port)) = line.rsplit_once("successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        Driver { url: format!("http://127.0.0.1:{port}"), child, profile: TempDir::new().unwrap() }
    }

    /// A browser without any history.
    pub async fn open(&self, more_flags: &[&str]) -> Client {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let flags: Vec<&str> = FLAGS.iter().chain(more_flags).copied().chain([profile.as_str()]).collect();
        let Value::Object(capabilities) = json!({
            "goog:chromeOptions": { "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
            // Left open, so that a dialog nobody expected fails the test.
            "unhandledPromptBehavior": "ignore",
        }) else {
            unreachable!("it is written as an object")
        };
        ClientBuilder::rustls()
            .expect("rustls has its roots")
            .capabilities(capabilities)
            .connect(&self.url)
            .await
            .expect("Chromium starts")
    }

    /// A command of ChromeDriver itself, outside WebDriver.
    pub async fn own_command(&self, client: &Client, path: &str, body: Value) -> Value {
        let session = client.session_id().await.unwrap().unwrap();
        let url = format!("{}/session/{session}/{path}", self.url);
        let answer: Value = reqwest::Client::new().post(url).json(&body).send().await.unwrap().json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{path}: {answer}");
        answer["value"].clone()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The whole group: a browser of a failed test must not live on.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-9", "--", &group]).status();
        let _ = self.child.wait();
    }
}
