//! A response, read completely.

use reqwest::header::HeaderMap;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.text().await.unwrap() }
    }

    /// The only value of this header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        assert!(self.headers.get_all(name).iter().count() <= 1, "{name} comes twice: {self:?}");
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status and, for a problem, its code, after checking its format.
    pub fn problem(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.header("cache-control"), "no-store", "{self:?}");
        assert_eq!(body["status"], self.status, "{self:?}");
        assert_eq!(body["request_id"], self.header("x-request-id"), "{self:?}");
        for member in ["type", "title", "detail", "code"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {self:?}");
        }
        (self.status, body["code"].as_str().unwrap().to_owned())
    }

    /// The value of the page's first input with this name.
    pub fn input(&self, name: &str) -> String {
        let tag =
            self.body.split('<').find(|tag| tag.starts_with("input") && tag.contains(&format!("name=\"{name}\"")));
        let value = tag.and_then(|tag| tag.split(" value=\"").nth(1)).and_then(|rest| rest.split('"').next());
        value.unwrap_or_else(|| panic!("no input {name}: {self:?}")).to_owned()
    }

    /// The key that the page shows, if any.
    pub fn new_key(&self) -> Option<String> {
        let output = self.body.split("<output id=\"new-key\"").nth(1)?;
        Some(output.split('>').nth(1)?.split('<').next()?.to_owned())
    }

    pub fn location(&self) -> &str {
        self.header("location")
    }

    /// Everything that a client can see, except what differs between any two responses.
    pub fn whole(&self) -> String {
        let id = self.header("x-request-id").to_owned();
        let mut lines: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| !["date", "content-length"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        let mut text = format!("{}\n{}\n\n{}", self.status, lines.join("\n"), self.body);
        // Each rendering of a form has its own token.
        for part in self.body.split("name=\"csrf_token\" value=\"").skip(1) {
            text = text.replace(part.split('"').next().unwrap(), "[form token]");
        }
        if id.is_empty() { text } else { text.replace(&id, "[request id]") }
    }
}
