//! Who can call a route. The extractors in the handler's signature enforce it; the OpenAPI document and the tests read
//! it from here.

/// The credential that a route requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// No credential.
    Public,
    /// A user's session.
    SignedIn,
    /// An admin's session.
    Admin,
    /// Any live key.
    Key,
    /// A live key with this scope.
    Scope(&'static str),
    /// Email and password, in a header or in the body.
    Password,
    /// A key as an OAuth client: its ID and the key, in a header or in the form.
    Client,
    /// A key as an OAuth client, or as in the rest of the API.
    ClientOrKey,
}
