//! The navigation: which pages it lists, for whom, and which one is the current one.

/// The navigation entry that is marked as the current one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Nav {
    Keys,
    AdminKeys,
    Users,
    Events,
    Nodes,
    Reference,
    Account,
    None,
}

/// An entry of the navigation.
pub struct NavLink {
    pub url: &'static str,
    pub label: &'static str,
    pub is_here: bool,
}

impl Nav {
    /// All entries in their order; a member sees fewer than an admin.
    pub fn links(self, is_admin: bool, has_nodes: bool) -> Vec<NavLink> {
        let link = |nav, url, label| NavLink { url, label, is_here: self == nav };
        let mut links = vec![link(Nav::Keys, "/keys", "My keys")];
        if is_admin {
            links.extend([
                link(Nav::AdminKeys, "/admin/keys", "All keys"),
                link(Nav::Users, "/users", "People"),
                link(Nav::Events, "/events", "Audit log"),
            ]);
        }
        if is_admin && has_nodes {
            links.push(link(Nav::Nodes, "/nodes", "Nodes"));
        }
        links.push(link(Nav::Reference, "/reference", "API"));
        links.push(link(Nav::Account, "/account", "Account"));
        links
    }
}
