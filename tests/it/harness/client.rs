//! A user of the server: anonymous, a person with a browser, or a program with a key.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use reqwest::{Method, RequestBuilder, redirect};

use super::{Answer, PASSWORD};

pub struct Client {
    http: reqwest::Client,
    address: SocketAddr,
    base: String,
    key: Option<String>,
    /// Cookies, kept as a browser keeps them.
    pub cookies: Mutex<BTreeMap<String, String>>,
}

impl Client {
    pub fn anon(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy().build().unwrap();
        Client { http, address, base: format!("http://{address}"), key: None, cookies: Mutex::default() }
    }

    /// This client, whose paths are all below `base`.
    pub fn below(self, base: &str) -> Self {
        Client { base: format!("{}{base}", self.base), ..self }
    }

    /// The server that it talks to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn bearer(address: SocketAddr, key: &str) -> Self {
        Client { key: Some(key.to_owned()), ..Client::anon(address) }
    }

    /// A person who signed in through the form.
    pub async fn signed_in(address: SocketAddr, email: &str) -> Self {
        let client = Client::anon(address);
        let answer = client.sign_in(email, PASSWORD).await;
        assert_eq!((answer.status, answer.location()), (303, "/keys"), "{answer:?}");
        client
    }

    pub async fn sign_in(&self, email: &str, password: &str) -> Answer {
        self.form("/login", &[("email", email), ("password", password)]).await
    }

    /// A request with this client's cookies and key.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let mut request =
            self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{}{path}", self.base));
        let cookies: Vec<String> =
            self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        match &self.key {
            Some(key) => request.header("authorization", format!("Bearer {key}")),
            None => request,
        }
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = Answer::of(request.send().await.unwrap()).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            let mut cookies = self.cookies.lock().unwrap();
            if cookie.contains("Max-Age=0") {
                cookies.remove(name)
            } else {
                cookies.insert(name.into(), value.into())
            };
        }
        answer
    }

    pub async fn call(&self, method: &str, path: &str) -> Answer {
        self.send(self.request(method, path)).await
    }

    /// The response, if there is one.
    pub async fn tries(&self, method: &str, path: &str) -> Option<Answer> {
        let response = self.request(method, path).send().await.ok()?;
        Some(Answer::of(response).await)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).await
    }

    /// Sends the form as given, without adding a token.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(self.request("POST", path).form(fields)).await
    }

    /// Sends a form as a browser does: with the token of a page that was just loaded.
    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let before_sign_in = !self.is_signed_in() || ["/login", "/setup"].contains(&path);
        let page = if before_sign_in { "/login" } else { "/account" };
        let token = self.get(page).await.input("csrf_token");
        self.post(path, &[&[("csrf_token", token.as_str())], fields].concat()).await
    }

    pub async fn csrf_token(&self) -> String {
        let page = if self.is_signed_in() { "/account" } else { "/login" };
        self.get(page).await.input("csrf_token")
    }

    pub fn is_signed_in(&self) -> bool {
        self.cookie("session").is_some()
    }

    /// The value of the cookie whose name ends with this.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.whole_cookie(name).map(|(_, value)| value)
    }

    /// The cookie with its full name, which differs from server to server.
    pub fn whole_cookie(&self, name: &str) -> Option<(String, String)> {
        let cookies = self.cookies.lock().unwrap();
        let found = cookies.iter().find(|(own, _)| own.ends_with(&format!("kb_{name}")));
        found.map(|(name, value)| (name.clone(), value.clone()))
    }

    /// The name that the server of this client gives its cookie.
    pub fn cookie_name(&self, name: &str) -> String {
        let cookies = self.cookies.lock().unwrap();
        let (met, what) = cookies.keys().find_map(|met| met.rsplit_once("kb_")).expect("a page was looked at");
        assert!(["session", "device", "form", "flash"].contains(&what));
        format!("{met}kb_{name}")
    }

    pub async fn json(&self, path: &str, body: impl Into<String>) -> Answer {
        self.send(self.request("POST", path).header("content-type", "application/json").body(body.into())).await
    }

    /// Creates a key in the dashboard; returns its id and its text.
    pub async fn make_key(&self, name: &str) -> (String, String) {
        self.make_key_with(&[("name", name), ("expires", "90d")]).await
    }

    pub async fn make_key_with(&self, fields: &[(&str, &str)]) -> (String, String) {
        let shown = self.form("/keys", fields).await;
        let key = shown.new_key().unwrap_or_else(|| panic!("{shown:?}"));
        let id = shown.body.split("href=\"/keys/").map(|rest| &rest[..36.min(rest.len())]);
        let id = id.skip(1).find(|id| id.matches('-').count() == 4).expect("the page links to the key");
        (id.to_owned(), key)
    }
}
