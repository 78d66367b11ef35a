//! Where the database is if nobody says it.
//! SQLite only: the default is a file.

use crate::harness::{Home, Process};
use crate::settings::variables;

#[tokio::test]
async fn a_blank_variable_counts_as_unset() {
    let home = Home::new();
    home.add_admin();
    for blank in ["", " "] {
        let blank = || variables(&home).into_iter().map(move |name| (name, blank));
        home.keybearer(&["users", "list"]).envs(blank()).assert().success();
        let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.envs(blank());
        let server = Process::of(command);
        assert_eq!(server.anon().get("/livez").await.status, 200);
        assert!(home.path("keybearer.db").exists());
    }
}
