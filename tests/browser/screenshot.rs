//! The picture in the README must look like the dashboard. After an intended change, this replaces the picture:
//!
//! ```text
//! UPDATE_SCREENSHOT=1 cargo nextest run --run-ignored only the_picture_in_the_readme
//! ```

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::browser::{Browser, browse, target_directory};
use super::fixed_server::{FixedServer, NOW};
use super::sample::Sample;
use super::server::{ADMIN, PASSWORD};

/// What Chromium would otherwise read from the machine.
const FLAGS: [&str; 2] = ["--force-color-profile=srgb", "--lang=en-US"];

/// Fonts of one version: DejaVu has been 2.37 since 2016, while Liberation 1 and 2 differ.
const FONTS: &str = "const { style } = document.documentElement;
    style.setProperty('--sans', 'DejaVu Sans');
    style.setProperty('--mono', 'DejaVu Sans Mono');";

const ANOTHER_DIGIT: &str = "const times = [...document.querySelectorAll('time')];
    times.find((time) => time.textContent === '22 minutes ago').textContent = '23 minutes ago';";

const KEYS: [Sample; 7] = [
    Sample::new("Status page", &["incidents:read"], days(410), Some(minutes(0)), None),
    Sample {
        is_enabled: false,
        ..Sample::new("Warehouse sync", &["orders:read", "stock:*"], days(175), Some(days(40)), Some(days(190)))
    },
    Sample::new("Nightly export", &["reports:read"], days(24), Some(minutes(540)), Some(days(66))),
    Sample::new(
        "Invoices, nightly job",
        &["invoices:read", "invoices:write"],
        days(11),
        Some(minutes(480)),
        Some(days(79)),
    ),
    Sample::new("Mobile app, staging", &["orders:*", "profile:read"], days(9), Some(days(3)), Some(days(21))),
    Sample::new("CI deploys", &["deploy:production"], days(3), Some(minutes(22)), Some(days(4))),
    Sample::new("Contractor, one-off migration", &["orders:read"], days(0), None, Some(days(2))),
];

const fn days(count: u64) -> Duration {
    minutes(count * 24 * 60)
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn the_picture_in_the_readme_is_up_to_date() {
    browse(&FLAGS, |browser| async move {
        let server = FixedServer::with_keys(&KEYS).await;
        stop_the_clock(&browser).await;
        browser.resize(1280, 620).await;
        browser.prefer("light").await;
        browser.logs_in_at(&server.url, ADMIN, PASSWORD).await;
        // Returns when the page's script has run.
        browser.goto(&format!("{}/keys", server.url)).await;
        browser.script(FONTS, vec![]).await;
        // Away from the button that was clicked: a pointer above a link underlines it.
        browser.devtools("Input.dispatchMouseEvent", json!({ "type": "mouseMoved", "x": 0, "y": 0 })).await;
        let (stored, taken) = (Path::new("docs/dashboard.png"), target_directory().join("dashboard.png"));
        let after = browser.screenshot().await;
        fs::write(&taken, &after).unwrap();
        if std::env::var_os("UPDATE_SCREENSHOT").is_some() {
            fs::write(stored, &after).unwrap();
        }
        browser.script(ANOTHER_DIGIT, vec![]).await;
        let altered = browser.screenshot().await;
        assert!(browser.difference(&after, &altered).await.is_some(), "the comparison overlooks another digit");
        let before = fs::read(stored).unwrap();
        if let Some(difference) = browser.difference(&before, &after).await {
            panic!(
                "the dashboard does not look like {} any more: {difference}. The new picture is {}. If the change is \
                 intended, run `UPDATE_SCREENSHOT=1 cargo nextest run --run-ignored only the_picture_in_the_readme` and \
                 look at the picture. If all text differs, install the package fonts-dejavu-core",
                stored.display(),
                taken.display(),
            );
        }
    });
}

/// The browser's clock shows the server's time, in UTC.
async fn stop_the_clock(browser: &Browser) {
    let script = json!({ "source": format!("Date.now = () => Date.parse('{NOW}')") });
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", script).await;
    browser.devtools("Emulation.setTimezoneOverride", json!({ "timezoneId": "UTC" })).await;
}
