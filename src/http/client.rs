//! The client's address: the peer's, or, from a trusted proxy only, what `X-Forwarded-For` says,
//! counted from the right past trusted proxies. No other header and no other spelling counts.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{self, HeaderMap, HeaderName};

use super::HttpSettings;

pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

pub fn address(settings: &HttpSettings, headers: &HeaderMap, peer: Option<SocketAddr>) -> Option<IpAddr> {
    let mut client = peer?.ip().to_canonical();
    if !settings.is_trusted_proxy(client) {
        return Some(client);
    }
    let lines: Vec<&str> = headers.get_all(X_FORWARDED_FOR).filter_map(|line| line.to_str().ok()).collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        // What no proxy of ours could have written ends what can be believed.
        let Some(address) = parse(hop.trim()) else { break };
        client = address;
        if !settings.is_trusted_proxy(client) {
            break;
        }
    }
    Some(client)
}

/// As sent, at most 200 bytes of it.
pub fn user_agent(headers: &HeaderMap) -> &[u8] {
    let value = headers.get(header::USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
    &value[..value.len().min(200)]
}

/// `203.0.113.7`, `203.0.113.7:8080`, `2001:db8::1`, `[2001:db8::1]:8080`.
fn parse(hop: &str) -> Option<IpAddr> {
    let address = hop.parse::<IpAddr>().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::settings::PublicUrl;
    use crate::model::Networks;
    use actix_web::http::header::HeaderValue;

    fn seen(trusted: &[&str], peer: &str, lines: &[(&'static str, &'static str)]) -> String {
        let public_url = PublicUrl::parse("http://127.0.0.1").unwrap();
        let settings = HttpSettings {
            trusted_proxies: Networks::parse(trusted.iter().copied()).unwrap(),
            ..HttpSettings::new("127.0.0.1:0".parse().unwrap(), public_url)
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        address(&settings, &headers, Some(SocketAddr::new(peer.parse().unwrap(), 1))).unwrap().to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_from_the_right() {
        let forged = ("x-forwarded-for", "1.1.1.1, 203.0.113.7, 10.0.0.2");
        assert_eq!(seen(&[], "10.0.0.1", &[forged]), "10.0.0.1");
        assert_eq!(seen(&["10.0.0.0/8"], "10.0.0.1", &[forged]), "203.0.113.7");
        assert_eq!(seen(&["10.0.0.0/8"], "9.9.9.9", &[forged]), "9.9.9.9");
        assert_eq!(
            seen(&["10.0.0.0/8"], "10.0.0.1", &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2")]),
            "2.2.2.2"
        );
        assert_eq!(seen(&["10.0.0.0/8"], "10.0.0.1", &[("x-forwarded-for", "1.1.1.1, junk")]), "10.0.0.1");
        for other in ["x-real-ip", "x_forwarded_for", "forwarded", "true-client-ip", "cf-connecting-ip", "x-client-ip"]
        {
            assert_eq!(seen(&["10.0.0.0/8"], "10.0.0.1", &[(other, "1.1.1.1")]), "10.0.0.1");
        }
    }
}
