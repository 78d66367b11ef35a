//! What the pages about people say after an action.

use crate::http::dashboard::frame::Notice;

pub const ADDED: Notice = Notice { word: "user-added", text: "Person added. They can sign in now." };
pub const DEACTIVATED: Notice =
    Notice { word: "user-deactivated", text: "Deactivated. All their keys and sessions are refused from now on." };
pub const ACTIVATED: Notice =
    Notice { word: "user-activated", text: "Activated. They can sign in, and their keys work again." };
pub const SESSIONS_ENDED: Notice =
    Notice { word: "sessions-ended", text: "Signed out. The tokens of their programs have ended." };
