//! "Until the end of a day" means the day in the user's time zone.

use serde_json::json;

use super::browser::browse;
use super::server::Server;

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
