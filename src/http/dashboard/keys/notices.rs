//! What the key pages say after an action.

use crate::http::dashboard::frame::Notice;

pub const REVOKED: Notice = Notice { word: "revoked", text: "Key revoked. Requests with it now fail." };
pub const DISABLED: Notice =
    Notice { word: "disabled", text: "Key disabled. Requests with it are refused until you enable it again." };
pub const ENABLED: Notice = Notice { word: "enabled", text: "Key enabled. Requests with it are accepted again." };
pub const SAVED: Notice = Notice { word: "saved", text: "Saved." };
