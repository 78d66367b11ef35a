//! Who acts, and from where: an argument of every act that writes an event.

use super::{Authority, ClientAddress, KeyId, UserId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    User {
        id: UserId,
        email: String,
    },
    Key {
        id: KeyId,
        hint: String,
    },
    /// The operator at the command line.
    Operator,
    /// The server itself, acting on a schedule.
    Server,
    /// Someone who reports leaked keys; the text says by which way.
    LeakReport(&'static str),
    /// Someone who has not proved who they are.
    Anonymous,
}

impl Actor {
    pub fn kind(&self) -> &'static str {
        match self {
            Actor::User { .. } => "user",
            Actor::Key { .. } => "key",
            Actor::Operator => "operator",
            Actor::Server => "server",
            Actor::LeakReport(_) => "leak_report",
            Actor::Anonymous => "anonymous",
        }
    }

    pub fn id(&self) -> Option<[u8; 16]> {
        match self {
            Actor::User { id, .. } => Some(*id.as_bytes()),
            Actor::Key { id, .. } => Some(*id.as_bytes()),
            Actor::Operator | Actor::Server | Actor::LeakReport(_) | Actor::Anonymous => None,
        }
    }

    pub fn label(&self) -> &str {
        match self {
            Actor::User { email, .. } => email,
            Actor::Key { hint, .. } => hint,
            Actor::Operator => "command line",
            Actor::Server => "schedule",
            Actor::LeakReport(way) => way,
            Actor::Anonymous => "",
        }
    }
}

/// Actor, address and request of one act.
#[derive(Debug, Clone)]
pub struct Origin {
    pub actor: Actor,
    /// The authority for the act; it is checked again inside the act's transaction.
    pub authority: Authority,
    /// `None` if no client is involved.
    pub address: Option<ClientAddress>,
    pub request_id: Option<String>,
}

impl Origin {
    pub fn operator() -> Self {
        Origin { actor: Actor::Operator, authority: Authority::None, address: None, request_id: None }
    }

    pub fn server() -> Self {
        Origin { actor: Actor::Server, ..Origin::operator() }
    }

    /// Someone who has not proved who they are.
    pub fn anonymous(address: ClientAddress, request_id: String) -> Self {
        let (address, request_id) = (Some(address), Some(request_id));
        Origin { actor: Actor::Anonymous, authority: Authority::None, address, request_id }
    }

    /// A report of leaked keys, which proves itself: it contains them.
    pub fn leak_report(way: &'static str, address: ClientAddress, request_id: String) -> Self {
        Origin { actor: Actor::LeakReport(way), ..Origin::anonymous(address, request_id) }
    }

    /// The same origin for an act on oneself: see [`Authority::without_role`].
    pub fn on_oneself(&self) -> Self {
        let own = self.clone();
        Origin { authority: own.authority.without_role(), ..own }
    }
}
