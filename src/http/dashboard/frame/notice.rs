//! The outcome of an action, shown above the page that the browser is redirected to.

use actix_web::HttpResponse;

use super::respond::see_other;

/// The URL carries the word in `?notice=`, never the text. Each notice is defined next to the pages that show it.
#[derive(Clone, Copy)]
pub struct Notice {
    pub word: &'static str,
    pub text: &'static str,
}

impl Notice {
    /// Redirects to this page, which then shows the notice.
    pub fn at(self, path: &str) -> HttpResponse {
        see_other(&format!("{path}?notice={}", self.word))
    }

    /// The notice that this word names, among those that a page shows.
    pub fn find(shown: &[Notice], word: Option<&str>) -> Option<Notice> {
        shown.iter().copied().find(|notice| Some(notice.word) == word)
    }
}
