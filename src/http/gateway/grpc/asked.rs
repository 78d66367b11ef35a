//! What Envoy asks: the policy that its operator wrote at the route, and of the client's request the
//! few headers that a verdict depends on. Nothing else of the client's is looked at.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::message::{AttributeContext, CheckRequest, HttpRequest};
use crate::http::client::X_FORWARDED_FOR;
use crate::http::credential::X_API_KEY;
use crate::http::gateway::preflight::{OVERRIDES, is_preflight};
use crate::http::problem::Problem;
use crate::model::{ClientAddress, Refusal};

pub struct Asked {
    /// Empty where the route names none.
    pub policy: String,
    /// The method of the client's request, as the API gets it.
    method: String,
    pub headers: HeaderMap,
    /// Whoever opened the connection to Envoy.
    pub source: ClientAddress,
}

impl Asked {
    pub fn read(request: CheckRequest) -> Result<Self, Problem> {
        let mut attributes = request.attributes.unwrap_or_default();
        let policy = attributes.context_extensions.remove("policy").unwrap_or_default();
        let source = source(&attributes);
        let http = attributes.request.and_then(|request| request.http).unwrap_or_default();
        Ok(Asked { policy, headers: headers(&http)?, method: http.method, source })
    }

    pub fn is_preflight(&self) -> bool {
        is_preflight(Some(self.method.as_bytes()), &self.headers)
    }
}

/// Unknown where Envoy does not say it, or says something else (a pipe, a listener of its own).
fn source(attributes: &AttributeContext) -> ClientAddress {
    let peer = attributes.source.as_ref().and_then(|peer| peer.address.as_ref());
    let socket = peer.and_then(|address| address.socket_address.as_ref());
    socket.map_or(ClientAddress::Unknown, |socket| ClientAddress::read(socket.address.as_bytes()))
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
        if is_credential && is_doubled(&name, value) {
            return Err(Problem::invalid_request("Send one key, in one header."));
        }
        match HeaderValue::from_bytes(value) {
            Ok(value) => headers.append(name, value),
            Err(_) if is_credential => return Err(Problem::refused(Refusal::Malformed, &[])),
            // Left out, it would let an earlier line say where the client is.
            Err(_) if name == X_FORWARDED_FOR => headers.append(name, HeaderValue::from_static("unknown")),
            Err(_) => {}
        }
    }
    Ok(headers)
}

/// Whether more than one key may stand in this value: the lines of a doubled header come joined by commas,
/// and which of them an API would take is anybody's guess. Commas within another scheme's credential
/// (Digest) are its own.
fn is_doubled(name: &HeaderName, value: &[u8]) -> bool {
    let is_bearer = |part: &[u8]| part.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"));
    let mut parts = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty());
    let (Some(first), Some(second)) = (parts.next(), parts.next()) else { return false };
    *name != header::AUTHORIZATION || [first, second].into_iter().chain(parts).any(is_bearer)
}

/// The headers that are read, and whether a credential comes in them.
fn known(name: &str) -> Option<(HeaderName, bool)> {
    let credentials = [header::AUTHORIZATION, X_API_KEY].map(|name| (name, true));
    let others = [X_FORWARDED_FOR, header::USER_AGENT, header::ORIGIN, header::ACCESS_CONTROL_REQUEST_METHOD];
    let others = others.into_iter().chain(OVERRIDES).map(|name| (name, false));
    credentials.into_iter().chain(others).find(|(known, _)| known.as_str().eq_ignore_ascii_case(name))
}
