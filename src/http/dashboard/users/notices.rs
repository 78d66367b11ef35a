//! What the pages about people say after an action.

use crate::http::dashboard::frame::Notice;

pub const ADDED: Notice = Notice { word: "user-added", text: "The user is added and can log in." };
pub const DEACTIVATED: Notice = Notice {
    word: "user-deactivated",
    text: "The user is deactivated. All their keys and sessions are refused from now on.",
};
pub const ACTIVATED: Notice =
    Notice { word: "user-activated", text: "The user is active again, and so are their keys." };
pub const SESSIONS_ENDED: Notice = Notice { word: "sessions-ended", text: "The sessions are ended." };
