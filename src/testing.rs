//! The internal items that tests need. Every other item of this crate is private, so that the compiler finds what
//! nobody uses.

pub use crate::ambient::{Clock, ManualClock, SeededEntropy};
pub use crate::auth::caller::Asking;
pub use crate::auth::{Auth, AuthSettings, KeyRequest, LeftOpen, Made};
pub use crate::commands::serve::{ServeSettings, start as start_server};
pub use crate::http::connection::Deadlines;
pub use crate::http::cors::CorsOrigin;
pub use crate::http::settings::{ListenAddress, PublicUrl, TlsFiles};
pub use crate::http::{Access, HttpSettings, ROUTES, Route, Site};
pub use crate::model::verdict::Demand;
pub use crate::model::{
    Basis, ChainReport, Consent, DatabaseAddress, Digest, EventFilter, Expiry, KeyChange, KeyId, KeyName, KeyPrefix,
    KeySettings, Networks, PlainKey, Policies, Policy, Purpose, RateLimit, Role, ScopeSet, SessionId, SigningAlgorithm,
    Time, User, UserChange, UserId,
};
pub use crate::signing::fresh;

/// The messages of Envoy's ext_authz.
#[cfg(feature = "grpc")]
pub mod grpc {
    pub use crate::http::gateway::grpc::message::{
        Address, AppendAction, AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderMap,
        HeaderValue, HeaderValueOption, HttpRequest, HttpResponse, OkHttpResponse, Peer, Request, SocketAddress,
        ValueKind,
    };
}
