//! The real server in this process, on port 0, with a clock that the test sets and seeded randomness.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use actix_web::dev::ServerHandle;
use actix_web::web;
use keybearer::testing::{
    Asking, Auth, AuthSettings, Consent, HttpSettings, KeyName, KeyPrefix, KeyRequest, KeySettings, LeftOpen, Made,
    ManualClock, PublicUrl, Purpose, Role, ScopeSet, SeededEntropy, ServeSettings, Site, Time, User, start_server,
};

use super::{ADMIN, Client, Home, MEMBER, PASSWORD, signing};

pub struct Server {
    pub home: Home,
    pub address: SocketAddr,
    /// The address of the gRPC listener, if the settings have one.
    #[cfg_attr(not(feature = "grpc"), expect(dead_code, reason = "only the tests of gRPC ask for it"))]
    pub grpc: Option<SocketAddr>,
    pub clock: Arc<ManualClock>,
    pub site: web::Data<Site>,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut HttpSettings)) -> Self {
        Self::on(&Home::new(), change)
    }

    /// Uses the database of this home, whose tables are created if they do not exist.
    pub fn on(home: &Home, change: impl FnOnce(&mut HttpSettings)) -> Self {
        Self::set(home, |settings| change(&mut settings.http))
    }

    pub fn set(home: &Home, change: impl FnOnce(&mut ServeSettings)) -> Self {
        let clock = Arc::new(ManualClock::at(Time::parse("2026-11-23T08:00:00Z").unwrap()));
        let prefixes = vec![KeyPrefix::parse("kb").unwrap(), KeyPrefix::parse("acme_live").unwrap()];
        let mut settings = AuthSettings { prefixes, ..AuthSettings::default() };
        settings.signing.file = Some(signing::keys());
        let public_url = PublicUrl::parse("http://keys.test").unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let http = HttpSettings { workers: 2, ..HttpSettings::new(listen, public_url) };
        let mut settings = ServeSettings { auth: settings, http };
        change(&mut settings);
        let prefixes = settings.auth.prefixes.clone();
        let (address, entropy) = (home.address(), Arc::new(SeededEntropy::new(7)));
        let auth = Auth::open(&address, Purpose::Serve, Consent::default(), clock.clone(), entropy, prefixes).unwrap();
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let running = start_server(auth, settings).unwrap();
                let grpc = running.grpc.as_ref().map(|grpc| grpc.addresses()[0].tcp().unwrap());
                sender.send((running.address.unwrap(), grpc, running.site, running.server.handle())).unwrap();
                running.server.await.unwrap();
            });
        });
        let (address, grpc, site, handle) = receiver.recv().unwrap();
        Server { home: home.clone(), address, grpc, clock, site, handle, thread: Some(thread) }
    }

    pub fn restart(self) -> Self {
        let home = self.home.clone();
        drop(self);
        Self::on(&home, |_| {})
    }

    pub fn anon(&self) -> Client {
        Client::anon(self.address)
    }

    pub fn bearer(&self, key: &str) -> Client {
        Client::bearer(self.address, key)
    }

    /// The admin, signed in.
    pub async fn admin(&self) -> Client {
        self.person(ADMIN, Role::Admin).await
    }

    /// A member, signed in.
    pub async fn member(&self) -> Client {
        self.person(MEMBER, Role::Member).await
    }

    pub async fn person(&self, email: &str, role: Role) -> Client {
        self.user(email, role).await;
        Client::signed_in(self.address, email).await
    }

    /// The user with this email, created if necessary.
    pub async fn user(&self, email: &str, role: Role) -> User {
        let (auth, operator) = (&self.site.auth, Asking::operator());
        match auth.user_by_email(&operator, email).await {
            Ok(user) => user,
            Err(_) => auth.add_user(&operator, email, role, Some(PASSWORD)).await.unwrap(),
        }
    }

    /// Creates a key of the member; returns its id and its text.
    /// Ids and keys without scopes.
    pub async fn keys(&self, count: usize) -> Vec<(String, String)> {
        let mut keys = Vec::new();
        for _ in 0..count {
            keys.push(self.key(&[]).await);
        }
        keys
    }

    pub async fn key(&self, scopes: &[&str]) -> (String, String) {
        self.key_of(MEMBER, scopes, |_| {}).await
    }

    pub async fn key_of(&self, email: &str, scopes: &[&str], change: impl FnOnce(&mut KeyRequest)) -> (String, String) {
        let mut request = KeyRequest {
            owner: self.user(email, Role::Member).await.id,
            prefix: None,
            settings: KeySettings {
                scopes: ScopeSet::parse(scopes.iter().copied()).unwrap(),
                ..KeySettings::named(KeyName::parse("nightly job").unwrap())
            },
            left_open: LeftOpen::default(),
            submission: None,
        };
        change(&mut request);
        match self.site.auth.create_key(&Asking::operator(), request).await.unwrap() {
            Made::Now { key, record } => (record.id.to_string(), key.expose().to_owned()),
            Made::Before(_) => unreachable!("it has no submission"),
        }
    }

    pub async fn index_is_full(&self) -> bool {
        self.site.auth.database_state().await.index_is_full
    }

    /// The status that this key gets.
    pub async fn tries(&self, key: &str) -> u16 {
        self.bearer(key).get("/api/v1/keys/current").await.status
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopping = self.handle.stop(false);
        drop(stopping); // the order is given; its end is the thread's end
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic there has been reported there
        }
        self.site.auth.close();
    }
}
