//! What a gateway asks for: the endpoint, the scopes, and whether anonymous requests can pass. Only the URL that the
//! gateway's operator wrote counts, never a header or the client's path or query.

use actix_web::http::Uri;

use super::mistake::Mistake;
use super::path::{ENVOY, NGINX, resembles};
use crate::http::problem::Problem;
use crate::model::{Policies, Policy, Scope};

/// The form of the response that the gateway needs, and where the policy's name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayKind<'a> {
    /// `/auth` and any suffix; the operator writes the query.
    Plain,
    /// `/auth/nginx` and any suffix: the same for a gateway that understands only 200, 401 and 403.
    Nginx,
    /// `/auth/envoy/{policy}` and any suffix; the suffix and the query come from the client and are not read.
    Envoy { policy: &'a str },
    /// A path similar to the others. It is refused, because it is unclear what it requires.
    Misspelt,
}

impl<'a> GatewayKind<'a> {
    /// Parses the path as sent. Nothing in it is decoded or resolved, so each endpoint has only one spelling.
    pub fn of(path: &'a str) -> Self {
        let Some(rest) = path.strip_prefix("/auth/") else { return GatewayKind::Plain };
        let (first, suffix) = rest.split_once('/').unwrap_or((rest, ""));
        match first {
            ENVOY => GatewayKind::Envoy { policy: suffix.split('/').next().unwrap_or_default() },
            // A suffix can refer to another endpoint (`/auth/nginx/../envoy/orders`).
            NGINX if suffix.is_empty() || !resembles(path, &[ENVOY]) => GatewayKind::Nginx,
            _ if resembles(path, &[NGINX, ENVOY]) => GatewayKind::Misspelt,
            _ => GatewayKind::Plain,
        }
    }
}

/// Whether the response that lets a request pass includes a signed identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    None,
    Wanted,
}

/// The requirements of one check. An empty one, as most are, needs no allocation.
#[derive(Debug)]
pub struct AuthQuery<'a> {
    policy: Option<&'a Policy>,
    scopes: Vec<Scope>,
    /// Whether the URL asks for a signed identity.
    identity: bool,
}

impl<'a> AuthQuery<'a> {
    pub fn parse(kind: GatewayKind<'_>, uri: &Uri, policies: &'a Policies) -> Result<Self, Problem> {
        match (kind, uri.query()) {
            (GatewayKind::Envoy { policy }, _) => Self::of_policy(policy, policies),
            (GatewayKind::Misspelt, _) => Err(Mistake::MisspeltPath.problem(policies)),
            (GatewayKind::Plain | GatewayKind::Nginx, None) => {
                Ok(AuthQuery { policy: None, scopes: Vec::new(), identity: false })
            }
            (GatewayKind::Plain | GatewayKind::Nginx, Some(query)) => Self::parse_query(query, policies),
        }
    }

    /// The requirements of this policy only.
    pub fn of_policy(name: &str, policies: &'a Policies) -> Result<Self, Problem> {
        Ok(AuthQuery { policy: Some(find(policies, name)?), scopes: Vec::new(), identity: false })
    }

    /// Parses `policy=orders-read&scope=a+b&identity=1`, each no more than once. The gateway must not append the client's
    /// query here. A repeated or unknown parameter shows that it does, and is refused. A missing value, which suggests
    /// an unset variable, is refused too, because it is unclear what it should require.
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
                return Err(Problem::invalid_request("A parameter of /auth is repeated. Send each only once."));
            }
        }
        let identity = match identity.as_deref() {
            None => false,
            Some("1") => true,
            Some(_) => return Err(Problem::invalid_request("The parameter identity of /auth must be 1 or absent.")),
        };
        if policy.is_none() && scopes.is_none() && !identity {
            return Err(Mistake::BlankQuery.problem(policies));
        }
        let need = |word: &str| match word.trim() {
            "" => Err(Mistake::BlankScope.problem(policies)),
            _ => Scope::parse_need(word).map_err(|error| Problem::invalid_request(error.message)),
        };
        let needs = scopes.as_deref().into_iter().flat_map(listed).map(need);
        let scopes = needs.take(Policy::MAX_SCOPES + 1).collect::<Result<Vec<_>, Problem>>()?;
        if scopes.len() > Policy::MAX_SCOPES {
            return Err(Problem::invalid_request("The parameter scope of /auth must not have more than 50 scopes."));
        }
        Ok(AuthQuery { policy: policy.map(|name| find(policies, &name)).transpose()?, scopes, identity })
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

    /// Whether a request without any credential passes anonymously. A scope beside the policy requires a key, except
    /// for a preflight, which never has a credential.
    pub fn passes_nobody(&self, is_preflight: impl FnOnce() -> bool) -> bool {
        let allows_anonymous = self.scopes.is_empty() && self.policy.is_some_and(Policy::allows_anonymous);
        allows_anonymous || self.policy.is_some_and(Policy::allows_preflight) && is_preflight()
    }
}

const UNKNOWN_PARAMETER: &str =
    "Unknown parameter of /auth. Use policy, scope or identity; send a key in a header, never in a URL.";

/// An unknown policy is the operator's mistake: no request passes, and no key is reported as bad.
fn find<'a>(policies: &'a Policies, name: &str) -> Result<&'a Policy, Problem> {
    policies.find(name).ok_or_else(|| Mistake::UnknownPolicy.problem(policies))
}

/// The elements of a list separated by spaces or commas (`a b`, `a,b`, `a, b`).
fn listed(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(',').enumerate();
    let parts = parts.map(|(number, part)| if number > 0 { part.strip_prefix(' ').unwrap_or(part) } else { part });
    parts.flat_map(|part| part.split(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policies() -> Policies {
        let read = Policy::parse(["orders:read"], false).unwrap();
        let open = Policy::parse([], true).unwrap();
        let page = Policy::parse(["orders:read"], false).unwrap().with_preflight();
        let signed = Policy::parse([], false).unwrap().with_identity();
        let named = [("orders-read", read), ("open", open), ("signed", signed), ("page", page)];
        Policies::parse(named.map(|(name, policy)| (name.to_owned(), policy))).unwrap()
    }

    /// The scopes that this URL asks for, `anonymous` if requests without a key pass, or the problem's code.
    fn asked(url: &str) -> String {
        let uri: Uri = url.parse().unwrap();
        match AuthQuery::parse(GatewayKind::of(uri.path()), &uri, &policies()) {
            Err(problem) => format!("{} {}", problem.status.as_u16(), problem.code),
            Ok(question) if question.passes_nobody(|| false) => "anonymous".to_owned(),
            Ok(question) if question.passes_nobody(|| true) => format!("{} or preflight", question.needs().join(" ")),
            Ok(question) if question.signature() == Signature::Wanted => {
                format!("{}, signed", question.needs().join(" "))
            }
            Ok(question) => question.needs().join(" "),
        }
    }

    #[test]
    fn a_url_requires_what_the_operator_wrote() {
        let table = [
            ("/auth", ""),
            ("/auth?", "500 blank_query"),
            ("/auth?&&", "500 blank_query"),
            ("/auth/nginx?", "500 blank_query"),
            ("/auth/any/suffix", ""),
            ("/auth?scope=a+b", "a b"),
            ("/auth?policy=orders-read", "orders:read"),
            ("/auth/nginx?policy=orders-read&scope=a", "orders:read a"),
            ("/auth?scope=a&policy=orders-read", "orders:read a"),
            ("/auth?policy=open", "anonymous"),
            ("/auth?policy=open&scope=a", "a"),
            ("/auth/nginx/sub?scope=a", "a"),
            ("/auth/nginx/", ""),
            ("/auth/nginxx?scope=a", "500 misspelt_path"),
            ("/auth/Envoy/signed", "500 misspelt_path"),
            ("/auth//envoy/signed", "500 misspelt_path"),
            ("/auth/nginx/../envoy/signed", "500 misspelt_path"),
            ("/auth?policy=page", "orders:read or preflight"),
            ("/auth?policy=page&scope=a", "orders:read a or preflight"),
            ("/auth/envoy/page/x?scope=a", "orders:read or preflight"),
            ("/auth?scope=a,b", "a b"),
            ("/auth?scope=a,+b", "a b"),
            ("/auth?scope=", "500 blank_scope"),
            ("/auth?scope", "500 blank_scope"),
            ("/auth?scope=+", "500 blank_scope"),
            ("/auth?scope=%20%20", "500 blank_scope"),
            ("/auth?scope=%09", "500 blank_scope"),
            ("/auth?scope=,", "500 blank_scope"),
            // One of two variables is unset.
            ("/auth?scope=a+", "500 blank_scope"),
            ("/auth?scope=+a", "500 blank_scope"),
            ("/auth?scope=a,,b", "500 blank_scope"),
            ("/auth?policy=orders-read&scope=", "500 blank_scope"),
            ("/auth?policy=&scope=a", "500 unknown_policy"),
            ("/auth?policy=+", "500 unknown_policy"),
            ("/auth?scope=&scope=", "400 invalid_request"),
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
    fn envoys_path_chooses_the_policy_and_the_client_cannot() {
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

    /// A path with a typo: another case, more slashes or dots, a trailing character.
    fn slipped(path: &str, kind: u8, at: usize) -> String {
        let at = 1 + at % (path.len() - 1);
        let (before, after) = path.split_at(at);
        match kind {
            0 => format!("{before}{}{}", after[..1].to_uppercase(), &after[1..]),
            1 => format!("{before}/{after}"),
            2 => format!("{before}{}{after}", [";", ",", "\\", ".", "-"][at % 5]),
            3 => path.replacen('/', "/./", 1 + at % 3),
            4 => path.replacen("/auth/", "/auth/x/../", 1),
            5 => format!("/x/..{path}"),
            _ => path.replacen('/', "//", 1 + at % 3),
        }
    }

    /// A path with one character percent-encoded `times` times.
    fn encoded(path: &str, at: usize, times: u8) -> String {
        let at = 1 + at % (path.len() - 1);
        let character = format!("{:02x}", path.as_bytes()[at]);
        let escape =
            (0..times).fold(
                character,
                |escape, round| if round == 0 { format!("%{escape}") } else { escape.replace('%', "%25") },
            );
        format!("{}{escape}{}", &path[..at], &path[at + 1..])
    }

    proptest! {
        #[test]
        fn no_typo_in_an_auth_path_weakens_the_check(
            mut slips in prop::collection::vec((0_u8..7, any::<usize>()), 0..4),
            escape in prop::option::of((any::<usize>(), 1u8..4)),
            is_envoy: bool,
            of_client in prop::sample::select(vec!["", "?policy=open", "?scope=a", "?policy=open&scope=", "?"]),
        ) {
            let (path, query) =
                if is_envoy { ("/auth/envoy/orders-read", of_client) } else { ("/auth/nginx", "?policy=orders-read") };
            // Typos within a segment come first, because others would change the segments.
            slips.sort_unstable();
            let path = slips.iter().fold(path.to_owned(), |path, (kind, at)| slipped(&path, *kind, *at));
            let path = escape.map_or(path.clone(), |(at, times)| encoded(&path, at, times));
            let Ok(uri) = format!("{path}{query}").parse::<Uri>() else { return Ok(()) };
            let asked = asked(&uri.to_string());
            // Outside /auth no request passes.
            let is_outside = !crate::http::gateway::is_for_gateways(uri.path());
            prop_assert!(is_outside || asked == "orders:read" || asked.starts_with("500 "), "{uri}: {asked}");
        }
    }
}
