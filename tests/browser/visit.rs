//! Steps in the dashboard that many tests share.

use super::browser::Browser;
use super::server::{ADMIN, PASSWORD, Server};

impl Browser {
    pub async fn logs_in(&self, server: &Server) {
        self.logs_in_as(server, ADMIN, PASSWORD).await;
    }

    pub async fn logs_in_as(&self, server: &Server, email: &str, password: &str) {
        self.logs_in_at(&server.url, email, password).await;
    }

    pub async fn logs_in_at(&self, url: &str, email: &str, password: &str) {
        self.goto(&format!("{url}/login")).await;
        self.fill("email", email).await;
        self.fill("password", password).await;
        self.follow("Sign in").await;
        self.sees_heading("My keys").await;
    }

    /// Follows an entry of the menu at the foot of the sidebar.
    pub async fn chooses_in_own_menu(&self, label: &str) {
        self.find(".who summary").await.click().await.unwrap();
        self.follow(label).await;
    }

    /// Creates a key with this name and returns its text, as the page shows it.
    pub async fn makes_a_key(&self, server: &Server, name: &str) -> String {
        self.goto(&format!("{}/keys/new", server.url)).await;
        self.fill("name", name).await;
        self.follow("Create key").await;
        self.sees_heading("Key created").await;
        self.find("#new-key").await.text().await.unwrap()
    }
}
