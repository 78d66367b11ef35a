//! The frame around a page: head, navigation and the outcome of the last action.

use super::nav::NavGroup;
use super::{Flash, Nav};
use crate::http::Site;
use crate::http::dashboard::assets::Assets;

/// What `templates/frame/base.html` needs from every page.
pub struct Shell {
    /// The page's name; the browser shows `title · Keybearer`.
    pub title: String,
    /// The path of the public URL, or nothing. Every link and form of a template puts it before its path.
    pub base: String,
    pub assets: Assets,
    pub csrf_token: String,
    /// `None` before login; the sidebar is then left out.
    pub me: Option<Me>,
    pub here: Nav,
    /// The outcome of the last action, unless a page has shown it already.
    pub flash: Option<Flash>,
}

/// Who is signed in.
pub struct Me {
    pub email: String,
    pub initials: String,
    pub is_admin: bool,
    /// Whether this server can be one of several.
    pub has_nodes: bool,
}

impl Shell {
    /// The frame of a page for someone who is not signed in.
    pub fn anonymous(title: &str, site: &Site, csrf_token: String) -> Self {
        Shell {
            title: title.to_owned(),
            base: site.settings.public_url.path().to_owned(),
            assets: site.assets.clone(),
            csrf_token,
            me: None,
            here: Nav::None,
            flash: None,
        }
    }

    pub fn places(&self) -> Vec<NavGroup> {
        let (is_admin, has_nodes) = self.me.as_ref().map_or((false, false), |me| (me.is_admin, me.has_nodes));
        self.here.groups(is_admin, has_nodes)
    }

    pub fn is_at_account(&self) -> bool {
        self.here == Nav::Account
    }

    /// Whether the reader can look the outcome up in the audit log.
    pub fn has_event(&self) -> bool {
        let is_admin = self.me.as_ref().is_some_and(|me| me.is_admin);
        is_admin && self.flash.as_ref().is_some_and(|flash| !flash.object.is_empty())
    }
}
