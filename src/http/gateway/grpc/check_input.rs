//! The input of a check: the policy that the operator set at Envoy's route, and the few headers of the client's request
//! that a verdict depends on. Nothing else of the request is read.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use zeroize::Zeroize;

use super::message::{AttributeContext, CheckRequest, HttpRequest};
use crate::http::client::X_FORWARDED_FOR;
use crate::http::credential::X_API_KEY;
use crate::http::gateway::preflight::{OVERRIDES, is_preflight};
use crate::http::problem::Problem;
use crate::model::{ClientAddress, Refusal};

pub struct CheckInput {
    /// Empty if the route names none.
    pub policy: String,
    /// The method of the client's request, as the API receives it.
    method: String,
    /// Declared before `_credentials`, so that it is dropped first: only bytes that nobody else holds can be wiped.
    pub headers: HeaderMap,
    _credentials: Wiped,
    /// The peer that opened the connection to Envoy.
    pub source: ClientAddress,
}

/// The bytes of the credentials in the headers; wiped when this is dropped.
#[derive(Default)]
struct Wiped(Vec<Bytes>);

impl Drop for Wiped {
    fn drop(&mut self) {
        for bytes in self.0.drain(..) {
            if let Ok(mut bytes) = bytes.try_into_mut() {
                bytes.zeroize();
            }
        }
    }
}

impl CheckInput {
    pub fn read(request: CheckRequest) -> Result<Self, Problem> {
        let mut attributes = request.attributes.unwrap_or_default();
        let policy = attributes.context_extensions.remove("policy").unwrap_or_default();
        let source = source(&attributes);
        let mut http = attributes.request.and_then(|request| request.http).unwrap_or_default();
        let headers = headers(&http);
        wipe(&mut http);
        let (headers, credentials) = headers?;
        Ok(CheckInput { policy, headers, _credentials: credentials, method: http.method, source })
    }

    pub fn is_preflight(&self) -> bool {
        is_preflight(Some(self.method.as_bytes()), &self.headers)
    }
}

/// Unknown if Envoy does not send it, or sends something else (a pipe, an internal listener).
fn source(attributes: &AttributeContext) -> ClientAddress {
    let peer = attributes.source.as_ref().and_then(|peer| peer.address.as_ref());
    let socket = peer.and_then(|address| address.socket_address.as_ref());
    socket.map_or(ClientAddress::Unknown, |socket| ClientAddress::read(socket.address.as_bytes()))
}

/// Reads both forms in which Envoy can be configured to send headers; a credential that is in both appears twice.
fn headers(http: &HttpRequest) -> Result<(HeaderMap, Wiped), Problem> {
    let joined = http.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let lines = http.header_map.iter().flat_map(|map| &map.headers).map(|line| {
        let is_raw = line.value.is_empty();
        (line.key.as_str(), if is_raw { line.raw_value.as_slice() } else { line.value.as_bytes() })
    });
    let (mut credentials, mut headers) = (Wiped::default(), HeaderMap::new());
    for (name, value) in joined.chain(lines) {
        let Some((name, is_credential)) = known(name) else { continue };
        if is_credential && is_doubled(&name, value) {
            return Err(Problem::invalid_request("Send one key, in one header."));
        }
        let value = Bytes::copy_from_slice(value);
        if is_credential {
            credentials.0.push(value.clone());
        }
        match HeaderValue::from_maybe_shared(value) {
            Ok(value) => headers.append(name, value),
            Err(_) if is_credential => return Err(Problem::refused(Refusal::Malformed, &[])),
            // If it were left out, an earlier line would decide the client address.
            Err(_) if name == X_FORWARDED_FOR => headers.append(name, HeaderValue::from_static("unknown")),
            Err(_) => {}
        }
    }
    Ok((headers, credentials))
}

/// Wipes the values of the headers in the message itself.
fn wipe(http: &mut HttpRequest) {
    http.headers.values_mut().for_each(Zeroize::zeroize);
    for line in http.header_map.iter_mut().flat_map(|map| &mut map.headers) {
        line.value.zeroize();
        line.raw_value.zeroize();
    }
}

/// Whether this value can hold more than one key: Envoy joins repeated headers with commas, and which of them an API
/// would use is unknown. Commas within a credential of another scheme (Digest) are part of it.
fn is_doubled(name: &HeaderName, value: &[u8]) -> bool {
    let is_bearer = |part: &[u8]| part.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"));
    let mut parts = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty());
    let (Some(first), Some(second)) = (parts.next(), parts.next()) else { return false };
    *name != header::AUTHORIZATION || [first, second].into_iter().chain(parts).any(is_bearer)
}

/// The header's name if it is read, and whether it holds a credential.
fn known(name: &str) -> Option<(HeaderName, bool)> {
    let credentials = [header::AUTHORIZATION, X_API_KEY].map(|name| (name, true));
    let others = [X_FORWARDED_FOR, header::USER_AGENT, header::ORIGIN, header::ACCESS_CONTROL_REQUEST_METHOD];
    let others = others.into_iter().chain(OVERRIDES).map(|name| (name, false));
    credentials.into_iter().chain(others).find(|(known, _)| known.as_str().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::gateway::grpc::message::{HeaderMap as Lines, HeaderValue as Line};

    #[test]
    fn credentials_are_wiped_from_the_message_and_from_the_headers() {
        let raw = Line { key: "x-api-key".to_owned(), value: String::new(), raw_value: b"kb_secret".to_vec() };
        let mut http = HttpRequest {
            headers: [("authorization".to_owned(), "Bearer kb_secret".to_owned())].into(),
            header_map: Some(Lines { headers: vec![raw] }),
            ..HttpRequest::default()
        };
        let (headers, credentials) = headers(&http).ok().unwrap();
        wipe(&mut http);
        assert!(http.headers.values().all(String::is_empty));
        assert!(http.header_map.unwrap().headers.iter().all(|line| line.raw_value.is_empty()));
        assert_eq!(headers.get(header::AUTHORIZATION).unwrap().as_bytes(), b"Bearer kb_secret");
        drop(headers);
        assert_eq!(credentials.0.len(), 2);
        // Nobody else holds them now, so they can be wiped.
        assert!(credentials.0.iter().all(Bytes::is_unique));
    }
}
