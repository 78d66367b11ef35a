//! `keybearer nodes`: the servers that share a PostgreSQL database.

use serde_json::json;

use super::{Context, block_on, output};
use crate::auth::caller::Asking;
use crate::error::Result;
use crate::model::{Node, Nodes, Purpose};

pub fn run(context: &Context) -> Result<()> {
    context.existing()?;
    let auth = context.auth(Purpose::Command, Vec::new())?;
    let Nodes { nodes, has_synchronous_standby } = block_on(auth.nodes(&Asking::operator()))?;
    if context.json {
        let nodes: Vec<_> = nodes.iter().map(record).collect();
        return output::json(&json!({ "nodes": nodes, "synchronous_standby": has_synchronous_standby }));
    }
    output::table(
        &["NAME", "ADDRESS", "VERSION", "STATE", "BEHIND", "LEASE LEFT", "KEYS", "JOINED"],
        nodes.iter().map(row),
    )?;
    if !has_synchronous_standby {
        output::say(
            "PostgreSQL has no synchronous standby: if its machine is lost, the last changes can be lost with it, and a \
             key revoked by them is valid again. Set synchronous_standby_names.",
        );
    }
    Ok(())
}

fn row(node: &Node) -> Vec<String> {
    vec![
        node.name.clone(),
        node.address.clone(),
        node.version.clone(),
        node.state().to_owned(),
        node.behind.map_or_else(|| "-".to_owned(), |behind| behind.to_string()),
        format!("{:.1}s of {}s", node.left.as_secs_f64(), node.lease.as_secs()),
        node.keys.to_string(),
        node.joined_at.to_string(),
    ]
}

fn record(node: &Node) -> serde_json::Value {
    json!({
        "name": node.name,
        "address": node.address,
        "version": node.version,
        "state": node.state(),
        "behind": node.behind,
        "lease_seconds": node.lease.as_secs_f64(),
        "lease_left_seconds": node.left.as_secs_f64(),
        "keys": node.keys,
        "joined_at": node.joined_at.to_string(),
    })
}
