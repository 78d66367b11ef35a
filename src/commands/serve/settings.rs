//! The operator's settings as plain values: those of `auth` and those of `http`.

use crate::auth::AuthSettings;
use crate::http::HttpSettings;

#[derive(Debug, Clone)]
pub struct ServeSettings {
    pub auth: AuthSettings,
    pub http: HttpSettings,
}
