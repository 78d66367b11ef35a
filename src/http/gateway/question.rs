//! What a gateway asks: which door, which scopes, whether nobody may pass. Only the URL that the
//! gateway's operator wrote counts; no header does, and a client's path or query never.

use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::{StatusCode, Uri};

use crate::error::Result as Outcome;
use crate::http::problem::Problem;
use crate::model::{Policies, Policy, Scope};

/// How the asking gateway wants its answer, and where it puts the name of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door<'a> {
    /// `/auth` and any suffix: the query is the operator's.
    Plain,
    /// `/auth/nginx` and any suffix: the same, for a gateway that knows 200, 401 and 403 alone.
    Nginx,
    /// `/auth/envoy/{policy}` and any suffix: suffix and query are the client's, and are not read.
    Envoy { policy: &'a str },
}

impl<'a> Door<'a> {
    /// The path as sent: nothing in it is decoded or resolved, so there is one way to write a door.
    pub fn of(path: &'a str) -> Self {
        let Some(rest) = path.strip_prefix("/auth/") else { return Door::Plain };
        let mut segments = rest.split('/');
        match segments.next() {
            Some("nginx") => Door::Nginx,
            Some("envoy") => Door::Envoy { policy: segments.next().unwrap_or_default() },
            _ => Door::Plain,
        }
    }
}

/// Whether an allow carries a signed identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    None,
    Wanted,
}

/// Empty, as most are, it costs no allocation.
#[derive(Debug)]
pub struct Question<'a> {
    policy: Option<&'a Policy>,
    scopes: Vec<Scope>,
    /// Asked for in the URL itself.
    identity: bool,
}

impl<'a> Question<'a> {
    pub fn parse(door: Door<'_>, uri: &Uri, policies: &'a Policies) -> Result<Self, Problem> {
        if let Door::Envoy { policy } = door {
            return Self::of_policy(policy, policies);
        }
        match uri.query().filter(|query| !query.is_empty()) {
            None => Ok(Question { policy: None, scopes: Vec::new(), identity: false }),
            Some(query) => Self::parse_query(query, policies),
        }
    }

    /// What this policy requires, and nothing beside it.
    pub fn of_policy(name: &str, policies: &'a Policies) -> Result<Self, Problem> {
        Ok(Question { policy: Some(find(policies, name)?), scopes: Vec::new(), identity: false })
    }

    /// `policy=orders-read&scope=a+b&identity=1`, each at most once. The gateway must not append the client's
    /// query here; a doubled or unknown parameter shows that it does, and is refused.
    fn parse_query(query: &str, policies: &'a Policies) -> Result<Self, Problem> {
        let (mut policy, mut scopes, mut identity) = (None, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let slot = match &*name {
                "policy" => &mut policy,
                "scope" => &mut scopes,
                "identity" => &mut identity,
                _ => return Err(Problem::invalid_request(UNKNOWN_PARAMETER)),
            };
            if slot.replace(value).is_some() {
                return Err(Problem::invalid_request("A parameter of /auth is given twice."));
            }
        }
        let identity = match identity.as_deref() {
            None => false,
            Some("1") => true,
            Some(_) => return Err(Problem::invalid_request("The parameter identity of /auth is 1 or absent.")),
        };
        let scopes = scopes.unwrap_or_default();
        let needs = scopes.split([' ', ',']).filter(|part| !part.is_empty()).map(Scope::parse_need);
        let needs = needs.take(Policy::MAX_SCOPES + 1).collect::<Outcome<Vec<_>>>();
        let scopes = needs.map_err(|error| Problem::invalid_request(error.message))?;
        if scopes.len() > Policy::MAX_SCOPES {
            return Err(Problem::invalid_request("The parameter scope of /auth has at most 50 scopes."));
        }
        Ok(Question { policy: policy.map(|name| find(policies, &name)).transpose()?, scopes, identity })
    }

    pub fn needs(&self) -> Vec<&str> {
        let of_policy = self.policy.map_or(&[][..], Policy::scopes);
        of_policy.iter().chain(&self.scopes).map(Scope::as_str).collect()
    }

    pub fn signature(&self) -> Signature {
        match self.identity || self.policy.is_some_and(Policy::wants_identity) {
            true => Signature::Wanted,
            false => Signature::None,
        }
    }

    /// A scope beside the policy asks for somebody.
    pub fn allows_anonymous(&self) -> bool {
        self.scopes.is_empty() && self.policy.is_some_and(Policy::allows_anonymous)
    }
}

const UNKNOWN_PARAMETER: &str =
    "The parameters of /auth are policy, scope and identity. A key is sent in a header, never in a URL.";

/// A policy that is not there is the operator's mistake: nobody passes, and no key is called bad.
fn find<'a>(policies: &'a Policies, name: &str) -> Result<&'a Policy, Problem> {
    policies.find(name).ok_or_else(|| {
        // Once: every request of that route meets it. Without the name, which may be a stranger's text.
        static TOLD: AtomicBool = AtomicBool::new(false);
        if !TOLD.swap(true, Ordering::Relaxed) {
            tracing::error!(
                known = policies.names(),
                "a gateway asks for a policy that the settings file does not have"
            );
        }
        let detail = "The gateway asks for a policy that this server does not have. Its operator must name one of the \
                      settings file.";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unknown_policy", detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policies() -> Policies {
        let read = Policy::parse(["orders:read"], false).unwrap();
        let open = Policy::parse([], true).unwrap();
        let signed = Policy::parse([], false).unwrap().with_identity();
        let named = [("orders-read", read), ("open", open), ("signed", signed)];
        Policies::parse(named.map(|(name, policy)| (name.to_owned(), policy))).unwrap()
    }

    /// The scopes that this URL asks for, `anonymous` where nobody may pass, or the problem's code.
    fn asked(url: &str) -> String {
        let uri: Uri = url.parse().unwrap();
        match Question::parse(Door::of(uri.path()), &uri, &policies()) {
            Err(problem) => format!("{} {}", problem.status.as_u16(), problem.code),
            Ok(question) if question.allows_anonymous() => "anonymous".to_owned(),
            Ok(question) if question.signature() == Signature::Wanted => {
                format!("{}, signed", question.needs().join(" "))
            }
            Ok(question) => question.needs().join(" "),
        }
    }

    #[test]
    fn a_url_asks_for_what_its_operator_wrote() {
        let table = [
            ("/auth", ""),
            ("/auth?", ""),
            ("/auth/any/suffix", ""),
            ("/auth?scope=a+b", "a b"),
            ("/auth?policy=orders-read", "orders:read"),
            ("/auth/nginx?policy=orders-read&scope=a", "orders:read a"),
            ("/auth?scope=a&policy=orders-read", "orders:read a"),
            ("/auth?policy=open", "anonymous"),
            ("/auth?policy=open&scope=a", "a"),
            ("/auth/nginx/sub?scope=a", "a"),
            ("/auth/nginxx?scope=a", "a"),
            ("/auth?policy=open&policy=orders-read", "400 invalid_request"),
            ("/auth?scope=a&identity=1", "a, signed"),
            ("/auth?policy=signed", ", signed"),
            ("/auth/envoy/signed/x?identity=0", ", signed"),
            ("/auth/envoy/orders-read?identity=1", "orders:read"),
            ("/auth?identity=0", "400 invalid_request"),
            ("/auth?identity=1&identity=1", "400 invalid_request"),
            ("/auth?scope=a&scope=", "400 invalid_request"),
            ("/auth?scope=orders:*", "400 invalid_request"),
            ("/auth?token=x", "400 invalid_request"),
            ("/auth/nginx?policy=orders-read&x", "400 invalid_request"),
            ("/auth?policy=", "500 unknown_policy"),
            ("/auth?policy=OPEN", "500 unknown_policy"),
            ("/auth?policy=open%00", "500 unknown_policy"),
        ];
        for (url, expected) in table {
            assert_eq!(asked(url), expected, "{url}");
        }
    }

    #[test]
    fn envoy_chooses_by_the_path_and_its_client_by_nothing() {
        for tail in [
            "",
            "/",
            "/a/b",
            "?policy=open",
            "/x?policy=open&scope=&token=1",
            "/../open",
            "/%2e%2e/open",
            "//",
            ";open",
        ] {
            let expected = if tail == ";open" { "500 unknown_policy" } else { "orders:read" };
            assert_eq!(asked(&format!("/auth/envoy/orders-read{tail}")), expected, "{tail}");
        }
        for path in [
            "/auth/envoy",
            "/auth/envoy/",
            "/auth/envoy//orders-read",
            "/auth/envoy/orders%2dread",
            "/auth/envoy?policy=open",
        ] {
            assert_eq!(asked(path), "500 unknown_policy", "{path}");
        }
    }
}
