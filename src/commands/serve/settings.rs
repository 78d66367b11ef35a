//! What the operator chose, as plain values: what `auth` needs beside what `http` needs.

use crate::auth::AuthSettings;
use crate::http::HttpSettings;

#[derive(Debug, Clone)]
pub struct ServeSettings {
    pub auth: AuthSettings,
    pub http: HttpSettings,
}
