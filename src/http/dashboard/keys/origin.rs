//! The list from which somebody came to a key: `from` in the address of the key's page and in its forms.

use crate::http::dashboard::frame::query_url;

/// The address of a list of keys, below the path of the public URL. Empty if nobody came from one, or from one as it is
/// without a filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOrigin(String);

impl ListOrigin {
    /// Longest address that is kept.
    const MAX: usize = 4_000;

    /// Only the address of a list with a filter is kept, so that no link leads elsewhere.
    pub fn of(url: &str) -> Self {
        let query = url.strip_prefix("/keys?").or_else(|| url.strip_prefix("/admin/keys?"));
        let is_plain = |query: &str| query.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>\\#".contains(&byte));
        let is_list = url.len() <= Self::MAX && query.is_some_and(|query| !query.is_empty() && is_plain(query));
        ListOrigin(if is_list { url.to_owned() } else { String::new() })
    }

    /// The list, or the one that the page belongs to.
    pub fn url_or<'a>(&'a self, usual: &'a str) -> &'a str {
        if self.0.is_empty() { usual } else { &self.0 }
    }

    pub fn is_of_all_keys(&self) -> bool {
        self.0.starts_with("/admin/")
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the address of a key's page.
    pub fn suffix(&self) -> String {
        query_url("", &[("from", self.as_str())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_of_a_filtered_list_is_kept() {
        for url in ["/keys?q=a", "/admin/keys?show=unused&sort=-name", "/keys?q=%C3%84+b%3F"] {
            assert_eq!(ListOrigin::of(url).url_or("/keys"), url);
        }
        for url in [
            "",
            "/keys",
            "/keys?",
            "/admin/keys",
            "//evil.example/keys?q=a",
            "https://evil.example/keys?q=a",
            "/keys/new?q=a",
            "/keys?q=a\nb",
            "/keys?q=<b>",
            "/keys?q=\"",
            "/keys?q=ä",
            &format!("/keys?q={}", "a".repeat(5_000)),
        ] {
            assert_eq!(ListOrigin::of(url).url_or("/usual"), "/usual", "{url}");
        }
        assert_eq!(ListOrigin::of("/keys?q=a&b").suffix(), "?from=%2Fkeys%3Fq%3Da%26b");
        assert_eq!(ListOrigin::default().suffix(), "");
    }
}
