//! What the key pages say after an action.

use crate::http::dashboard::frame::Notice;

pub const REVOKED: Notice =
    Notice { word: "revoked", text: "The key is revoked. The next request with it is refused." };
pub const DISABLED: Notice =
    Notice { word: "disabled", text: "The key is disabled. It is refused until you enable it again." };
pub const ENABLED: Notice = Notice { word: "enabled", text: "The key is enabled. It is accepted again." };
pub const SAVED: Notice = Notice { word: "saved", text: "Saved." };
