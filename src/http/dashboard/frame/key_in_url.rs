//! A key in the address of a page: pasted into the search field of a list, which is a GET, or in a link. The address is
//! in the browser's history and in the logs of proxies by then. The page would repeat the key in its links and fields,
//! so the browser is sent to another page, which says what became of the key.

use actix_web::HttpRequest;
use serde::{Deserialize, Serialize};

use crate::auth::{FoundDigests, KeyTraces};
use crate::http::Site;
use crate::model::{KeyId, Time};

/// Maximum keys that the cookie names.
const MAX_NAMED: usize = 20;

/// What became of the keys, without their digests.
#[derive(Serialize, Deserialize)]
pub struct FoundInUrl {
    ids: Vec<String>,
    hidden: usize,
    revoked: Vec<i64>,
    unknown: usize,
}

/// The keys in the query.
pub fn digests(site: &Site, request: &HttpRequest) -> FoundDigests {
    match request.uri().query() {
        None | Some("") => FoundDigests::default(),
        Some(query) => site.auth.digests_in(query.as_bytes()),
    }
}

impl FoundInUrl {
    pub fn of(traces: &KeyTraces) -> Self {
        FoundInUrl {
            ids: traces.seen.iter().take(MAX_NAMED).map(|record| record.id.to_string()).collect(),
            hidden: traces.hidden,
            revoked: traces.revoked.iter().take(MAX_NAMED).map(|at| at.millis()).collect(),
            unknown: traces.unknown,
        }
    }

    /// The keys that the person could see.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.ids.iter().filter_map(|id| KeyId::parse(id).ok())
    }

    /// The same without these keys, which have to be read again.
    pub fn traces(&self) -> KeyTraces {
        let revoked = self.revoked.iter().copied().map(Time::from_millis).collect();
        KeyTraces { seen: Vec::new(), hidden: self.hidden, revoked, unknown: self.unknown }
    }
}
