//! The list of nodes, on a database that one server uses alone.
//! SQLite only: on PostgreSQL there is such a list (`nodes`).

use crate::harness::Home;

#[test]
fn a_database_that_is_a_file_has_no_nodes_to_list() {
    let home = Home::new();
    home.add_admin();
    for words in [&["nodes"][..], &["nodes", "--json"]] {
        let output = home.keybearer(words).assert().failure().code(1).get_output().clone();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("a file, which one server uses alone") && said.contains("PostgreSQL"), "{said}");
        assert!(output.stdout.is_empty());
    }
}
