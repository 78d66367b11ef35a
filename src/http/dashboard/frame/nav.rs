//! The navigation: which pages it lists, for whom, and which one is the current one.

/// The navigation entry that is marked as the current one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Nav {
    Keys,
    Overview,
    AdminKeys,
    Users,
    Events,
    Leaks,
    Nodes,
    Reference,
    Account,
    None,
}

/// Entries under a common title.
pub struct NavGroup {
    pub title: Option<&'static str>,
    pub links: Vec<NavLink>,
}

/// An entry of the navigation.
pub struct NavLink {
    pub url: &'static str,
    /// As `templates/frame/icons.html` names it.
    pub icon: &'static str,
    pub label: &'static str,
    pub is_here: bool,
}

impl Nav {
    /// All entries in their order; a member sees fewer than an admin. The account is in the person's own menu.
    pub fn groups(self, is_admin: bool, has_nodes: bool) -> Vec<NavGroup> {
        let link = |nav, url, icon, label| NavLink { url, icon, label, is_here: self == nav };
        let own =
            vec![link(Nav::Keys, "/keys", "key", "My keys"), link(Nav::Overview, "/overview", "overview", "Overview")];
        let mut groups = vec![NavGroup { title: None, links: own }];
        if is_admin {
            let mut links = vec![
                link(Nav::AdminKeys, "/admin/keys", "list", "All keys"),
                link(Nav::Users, "/users", "people", "People"),
                link(Nav::Events, "/events", "log", "Audit log"),
                link(Nav::Leaks, "/admin/leaks", "leak", "Leaks"),
            ];
            if has_nodes {
                links.push(link(Nav::Nodes, "/nodes", "nodes", "Nodes"));
            }
            groups.push(NavGroup { title: Some("Organisation"), links });
        }
        let links = vec![link(Nav::Reference, "/reference", "code", "API reference")];
        groups.push(NavGroup { title: Some("Help"), links });
        groups
    }
}
