//! What Envoy asks: the policy that its operator wrote at the route, and of the client's request the
//! few headers that a verdict depends on. Nothing else of the client's is looked at.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::message::{AttributeContext, CheckRequest, HttpRequest};
use crate::http::client::X_FORWARDED_FOR;
use crate::http::credential::X_API_KEY;
use crate::http::problem::Problem;
use crate::model::Refusal;

pub struct Asked {
    /// Empty where the route names none.
    pub policy: String,
    pub headers: HeaderMap,
    /// Whoever opened the connection to Envoy.
    pub source: Option<SocketAddr>,
}

impl Asked {
    pub fn read(request: CheckRequest) -> Result<Self, Problem> {
        let mut attributes = request.attributes.unwrap_or_default();
        let policy = attributes.context_extensions.remove("policy").unwrap_or_default();
        let source = source(&attributes);
        let http = attributes.request.and_then(|request| request.http).unwrap_or_default();
        Ok(Asked { policy, headers: headers(&http)?, source })
    }
}

fn source(attributes: &AttributeContext) -> Option<SocketAddr> {
    let socket = attributes.source.as_ref()?.address.as_ref()?.socket_address.as_ref()?;
    // The port is nobody's business here.
    socket.address.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 0))
}

/// In both forms, whichever Envoy was told to send; a credential that is in both is there twice.
fn headers(http: &HttpRequest) -> Result<HeaderMap, Problem> {
    let joined = http.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let lines = http.header_map.iter().flat_map(|map| &map.headers).map(|line| {
        let is_raw = line.value.is_empty();
        (line.key.as_str(), if is_raw { line.raw_value.as_slice() } else { line.value.as_bytes() })
    });
    let mut headers = HeaderMap::new();
    for (name, value) in joined.chain(lines) {
        let Some((name, is_credential)) = known(name) else { continue };
        // A doubled header arrives as one value with commas in it, and which of the two an API would
        // take is anybody's guess. No key of ours has a comma.
        if is_credential && value.contains(&b',') {
            return Err(Problem::invalid_request("Send one key, in one header."));
        }
        match HeaderValue::from_bytes(value) {
            Ok(value) => headers.append(name, value),
            Err(_) if is_credential => return Err(Problem::refused(Refusal::Malformed, &[])),
            // Nothing is believed of a header that cannot be one.
            Err(_) => {}
        }
    }
    Ok(headers)
}

/// The headers that are read, and whether a credential comes in them.
fn known(name: &str) -> Option<(HeaderName, bool)> {
    [(header::AUTHORIZATION, true), (X_API_KEY, true), (X_FORWARDED_FOR, false), (header::USER_AGENT, false)]
        .into_iter()
        .find(|(known, _)| known.as_str().eq_ignore_ascii_case(name))
}
