//! The log line of each request that does not come from a gateway. Successful checks of keys, which a busy API makes
//! thousands of times per second, are sampled.

use std::cell::Cell;
use std::time::Duration;

use actix_http::Request;
use actix_web::http::{Method, StatusCode};

use super::request_id::RequestId;
use super::{Route, SiteRef, client};
use crate::model::ClientAddress;

/// What the log and an error page need to know about a request that has been consumed by then. It has no path, only
/// whether the path is for programs, and only methods of RFC 9110: anything else comes from the client and may contain
/// a key.
pub struct RequestSummary {
    method: Option<Method>,
    pub is_for_programs: bool,
    address: ClientAddress,
}

const STANDARD: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::CONNECT,
    Method::OPTIONS,
    Method::TRACE,
    Method::PATCH,
];

impl RequestSummary {
    pub fn of(request: &Request, site: &SiteRef, is_for_programs: bool) -> Self {
        RequestSummary {
            method: Some(request.method()).filter(|method| STANDARD.contains(method)).cloned(),
            is_for_programs,
            address: client::address(&site.settings, request),
        }
    }
}

/// One worker's log.
pub struct RequestLog {
    /// One in so many successful checks is logged; 0 means none.
    one_in: u32,
    /// Checks since the last one that was logged.
    skipped: Cell<u32>,
}

impl RequestLog {
    pub fn new(one_in: u32) -> Self {
        RequestLog { one_in, skipped: Cell::new(0) }
    }

    pub fn write(
        &self,
        id: &RequestId,
        seen: &RequestSummary,
        route: Option<&'static Route>,
        status: StatusCode,
        took: Duration,
    ) {
        let is_check = status.is_success() && route.is_some_and(|route| route.is_check);
        if is_check && !self.takes_check() {
            return;
        }
        tracing::info!(
            request_id = id.as_str(),
            method = seen.method.as_ref().map_or("(none)", Method::as_str),
            route = route.map_or("(none)", |route| route.path),
            status = status.as_u16(),
            address = %seen.address,
            ms = took.as_secs_f64() * 1000.0,
            one_in = is_check.then_some(self.one_in).filter(|one_in| *one_in > 1),
            "request"
        );
    }

    /// Whether the next check is logged: the first one, and then one in so many.
    fn takes_check(&self) -> bool {
        let skipped = self.skipped.get();
        self.skipped.set(if skipped + 1 >= self.one_in { 0 } else { skipped + 1 });
        skipped == 0 && self.one_in > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_check_is_logged_and_then_one_in_so_many() {
        for (one_in, logged) in [(0, 0), (1, 10), (2, 5), (3, 4), (10, 1), (100, 1)] {
            let log = RequestLog::new(one_in);
            let taken: Vec<bool> = (0..10).map(|_| log.takes_check()).collect();
            assert_eq!(taken.iter().filter(|taken| **taken).count(), logged, "one in {one_in}: {taken:?}");
            assert_eq!(taken[0], one_in > 0);
        }
    }
}
