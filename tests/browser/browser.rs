//! A person at the browser: sees pages, clicks, types. A page must have left the console empty when
//! the browser leaves it.

use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::{Client, Locator};
use serde_json::{Value, json};

use super::driver::Driver;

const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Clone)]
pub struct Browser {
    client: Client,
    driver: Arc<Driver>,
}

/// Runs `visit` in a new browser and always closes it; a failure saves a screenshot.
pub fn browse<F: Future<Output = ()> + 'static>(flags: &'static [&'static str], visit: impl FnOnce(Browser) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let driver = Arc::new(Driver::start());
        let browser = Browser { client: driver.open(flags).await, driver };
        let visited = tokio::task::spawn_local(visit(browser.clone())).await;
        if visited.is_err() {
            browser.keep_screenshot(&target_directory().join("failed.png")).await;
        }
        let _ = browser.client.close().await; // the driver's end is the browser's in any case
        if let Err(failure) = visited {
            resume_unwind(failure.into_panic());
        }
    });
}

pub fn target_directory() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

impl Browser {
    pub async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    pub async fn back(&self) {
        self.client.back().await.unwrap();
    }

    pub async fn forward(&self) {
        self.client.forward().await.unwrap();
    }

    /// Reloads the page as F5 does; a posted page is posted again.
    pub async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    pub async fn path(&self) -> String {
        let url = self.client.current_url().await.unwrap();
        url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
    }

    pub async fn find(&self, css: &str) -> Element {
        let found = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await;
        match found {
            Ok(element) => element,
            Err(_) => panic!("no {css} on {}:\n{}", self.path().await, self.text().await),
        }
    }

    pub async fn has(&self, css: &str) -> bool {
        !self.client.find_all(Locator::Css(css)).await.unwrap().is_empty()
    }

    /// The visible text of the whole page.
    pub async fn text(&self) -> String {
        self.client.find(Locator::Css("body")).await.unwrap().text().await.unwrap()
    }

    /// The source of the page, visible or not.
    pub async fn source(&self) -> String {
        self.client.source().await.unwrap()
    }

    /// Waits until the page's heading is this one.
    pub async fn sees_heading(&self, heading: &str) {
        let xpath = format!("//h1[normalize-space()='{heading}']");
        if self.client.wait().at_most(PATIENCE).for_element(Locator::XPath(&xpath)).await.is_err() {
            panic!("no heading “{heading}” on {}:\n{}", self.path().await, self.text().await);
        }
    }

    /// Clicks the button or link with this text.
    pub async fn click(&self, label: &str) {
        let is_it = format!("normalize-space()='{label}'");
        let xpath = format!("//*[self::button or self::a or self::summary][{is_it}]");
        let found = self.client.wait().at_most(PATIENCE).for_element(Locator::XPath(&xpath)).await;
        if found.is_err() {
            panic!("nothing reads “{label}” on {}:\n{}", self.path().await, self.text().await);
        }
        for element in self.client.find_all(Locator::XPath(&xpath)).await.unwrap() {
            if element.is_displayed().await.unwrap() {
                return element.click().await.unwrap();
            }
        }
        panic!("“{label}” is on {} but cannot be seen", self.path().await);
    }

    /// Clicks a link or button that leads to another page, and waits until this one is gone.
    pub async fn follow(&self, label: &str) {
        let page = self.find("html").await;
        self.click(label).await;
        let deadline = tokio::time::sleep(PATIENCE);
        tokio::pin!(deadline);
        while page.tag_name().await.is_ok() {
            tokio::select! {
                () = &mut deadline => panic!("“{label}” leads nowhere from {}", self.path().await),
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
    }

    /// Opens the part of a form that few people need.
    pub async fn unfold(&self) {
        self.find(".more-fields:not([open]) > summary").await.click().await.unwrap();
    }

    /// Replaces the text of the field with this name.
    pub async fn fill(&self, name: &str, text: &str) {
        // Not the search field of the frame, which every page has.
        let field = self.find(&format!("main [name='{name}']")).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Types into the element that has the focus.
    pub async fn press(&self, keys: &str) {
        self.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    pub async fn script(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap()
    }

    pub async fn async_script(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute_async(script, arguments).await.unwrap()
    }

    /// The console's messages since the last call.
    pub async fn console(&self) -> Vec<Value> {
        let entries = self.driver.own_command(&self.client, "se/log", json!({ "type": "browser" })).await;
        entries.as_array().unwrap().clone()
    }

    pub async fn finds_the_console_empty(&self) {
        assert_eq!(self.console().await, Vec::<Value>::new(), "the console, at {}", self.path().await);
    }

    /// Sets the width of the page in CSS pixels: a phone or a desktop.
    pub async fn resize(&self, width: u32, height: u32) {
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.devtools("Emulation.setDeviceMetricsOverride", screen).await;
    }

    /// Sets `light` or `dark`, and turns off motion, so that no screenshot shows a colour half-way.
    pub async fn prefer(&self, scheme: &str) {
        let wish = |name, value| json!({ "name": name, "value": value });
        let features = [wish("prefers-color-scheme", scheme), wish("prefers-reduced-motion", "reduce")];
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.driver.own_command(&self.client, "goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// Whether the page can be scrolled sideways.
    pub async fn overflows(&self) -> bool {
        let script = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        self.script(script, vec![]).await.as_bool().unwrap()
    }

    /// A screenshot of the whole page, including what is below the window.
    pub async fn keep_whole_page(&self, path: &std::path::Path) {
        let answer = self.devtools("Page.captureScreenshot", json!({ "captureBeyondViewport": true })).await;
        let png = data_encoding::BASE64.decode(answer["data"].as_str().unwrap().as_bytes()).unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, png).unwrap();
    }

    /// A screenshot of the visible part of the page, as PNG.
    pub async fn screenshot(&self) -> Vec<u8> {
        self.client.screenshot().await.unwrap()
    }

    pub async fn keep_screenshot(&self, path: &std::path::Path) {
        let Ok(png) = self.client.screenshot().await else { return };
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, png).unwrap();
    }
}
