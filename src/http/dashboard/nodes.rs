//! `/nodes`: the servers that share the database, for admins.

use actix_web::HttpResponse;
use askama::Template;

use super::frame::{Admin, Nav, PageError, Shell, SignedIn, When};
use crate::model::{Node, Nodes, PendingChange};

#[derive(Template)]
#[template(path = "nodes.html")]
struct NodesPage {
    shell: Shell,
    /// `None` if the database is a file, which this server uses alone.
    nodes: Option<Vec<NodeListItem>>,
    has_standby: bool,
}

struct NodeListItem {
    name: String,
    address: String,
    version: String,
    state: &'static str,
    is_serving: bool,
    /// `None` before its first heartbeat.
    behind: Option<u64>,
    /// In tenths of a second.
    lease_left: String,
    lease: u64,
    keys: u64,
    joined: When,
}

impl From<Node> for NodeListItem {
    fn from(node: Node) -> Self {
        let state = match node.state() {
            "serving" => "Serving",
            "joining" => "Joining",
            "silent" => "Silent",
            _ => "Evicted",
        };
        NodeListItem {
            state,
            is_serving: state == "Serving",
            name: node.name,
            address: node.address,
            version: node.version,
            behind: node.behind,
            lease_left: format!("{:.1}", node.left.as_secs_f64()),
            lease: node.lease.as_secs(),
            keys: node.keys,
            joined: node.joined_at.into(),
        }
    }
}

pub async fn page(admin: Admin) -> Result<HttpResponse, PageError> {
    let who = admin.0;
    let found = match who.site.auth.is_one_of_several_nodes() {
        true => Some(who.site.auth.nodes(&who.asking()).await?),
        false => None,
    };
    let has_standby = found.as_ref().is_some_and(|found| found.has_synchronous_standby);
    let items = |found: Nodes| found.nodes.into_iter().map(NodeListItem::from).collect();
    who.ok(&NodesPage { shell: who.shell("Nodes", Nav::Nodes)?, nodes: found.map(items), has_standby })
}

/// For the script: what a form whose answer takes long is waiting for, as plain text.
pub async fn waiting(who: SignedIn) -> HttpResponse {
    let Some(change) = who.site.auth.pending_change() else { return HttpResponse::NoContent().finish() };
    let PendingChange { in_force, nodes, left } = change;
    let seconds = left.as_secs() + 1;
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body(format!("In force on {in_force} of {nodes} nodes, on all within {seconds} s."))
}
