//! Times and days are those of the user's time zone.

use serde_json::{Value, json};

use super::browser::{Browser, browse};
use super::server::{ADMIN, Server};

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn a_key_for_today_works_until_midnight_in_the_users_time_zone() {
    browse(&[], |browser| async move {
        let server = Server::with_admin();
        browser.logs_in(&server).await;
        // Whatever the time is, one of the first two has another date than UTC.
        for zone in ["America/Los_Angeles", "Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kathmandu", "UTC"] {
            browser.devtools("Emulation.setTimezoneOverride", json!({ "timezoneId": zone })).await;
            browser.goto(&format!("{}/keys/new", server.url)).await;
            browser.find("[value=custom]").await.click().await.unwrap();
            let today = "const now = new Date();
                return [now.toLocaleDateString('sv'), new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1).toISOString()]";
            let today = browser.script(today, vec![]).await;
            let (day, midnight) = (today[0].as_str().unwrap(), today[1].as_str().unwrap());
            let field = browser.find("#expires_on").await;
            assert_eq!(field.attr("min").await.unwrap().as_deref(), Some(day), "{zone}: today can be chosen");
            let hint = browser.find("#expires_on-hint").await.text().await.unwrap();
            assert!(hint.contains("your time ("), "{hint}");
            browser.script("arguments[0].value = arguments[1]", vec![json!(field), json!(day)]).await;
            browser.fill("name", zone).await;
            browser.follow("Create key").await;
            browser.sees_heading("Key created").await;
            let key = browser.find("#new-key").await.text().await.unwrap();
            let (_, record) = server.call(&key).await;
            assert_eq!(record["expires_at"].as_str().unwrap(), midnight.replace(".000", ""), "{zone}, {day}");
        }
        browser.finds_the_console_empty().await;
    });
}

/// What the browser writes for a time of a page, and the time's title.
const WRITTEN: &str = "
    const [selector, options] = arguments;
    const time = document.querySelector(selector);
    return [time.textContent, new Intl.DateTimeFormat(undefined, options).format(new Date(time.dateTime)), time.title];
";

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn times_are_shown_in_the_users_time_zone_and_in_words_within_a_week() {
    browse(&[], |browser| async move {
        let server = Server::with_admin();
        browser.logs_in(&server).await;
        for (name, expires) in [("soon", "5d"), ("late", "90d")] {
            server.command(&["keys", "create", "--owner", ADMIN, "--name", name, "--expires", expires]);
        }
        for zone in ["Asia/Kathmandu", "America/Los_Angeles"] {
            browser.devtools("Emulation.setTimezoneOverride", json!({ "timezoneId": zone })).await;
            browser.goto(&format!("{}/events", server.url)).await;
            let options = json!({ "timeStyle": "medium" });
            let [shown, local, title] = written(&browser, "time[data-form=clock]", options).await;
            assert_eq!(shown, local, "{zone}");
            assert!(title.contains(" (") && title.ends_with(" UTC)"), "{title}");

            browser.goto(&format!("{}/keys", server.url)).await;
            let date = json!({ "dateStyle": "medium" });
            let [shown, local, title] =
                written(&browser, "tr:nth-child(1) td[data-label=Expires] time", date.clone()).await;
            assert_eq!(shown, local, "{zone}: a date, since it is later than in a week");
            assert!(title.ends_with(" UTC)"), "{title}");
            let [shown, _, title] = written(&browser, "tr:nth-child(2) .tag time", date).await;
            assert!(shown == "in 4 days" && title.ends_with(" UTC)"), "{shown}: {title}");
        }
        browser.finds_the_console_empty().await;
    });
}

async fn written(browser: &Browser, selector: &str, options: Value) -> [String; 3] {
    let found = browser.script(WRITTEN, vec![json!(selector), options]).await;
    [0, 1, 2].map(|part| found[part].as_str().unwrap().to_owned())
}
