//! The outcome of an action, shown once, on the page that the browser is redirected to. A cookie carries it there, so
//! that no link can show it and no reload repeats it. The cookie is sealed with a secret of the session (before
//! sign-in: of the form cookie), so that only this server writes it, for this browser.

use data_encoding::BASE64URL_NOPAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ambient::constant_time;
use crate::model::{Digest, SessionToken};

/// A sentence with the name of what was changed: `Revoked “`, `billing sandbox`, `”. Requests …`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash {
    pub before: String,
    /// Empty if no key or person was changed.
    pub object: String,
    pub after: String,
    /// The id of what was changed, by which its event is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl Flash {
    pub fn plain(text: &str) -> Self {
        Flash { before: text.to_owned(), object: String::new(), after: String::new(), id: None }
    }

    /// `Revoked “nightly job”. Requests with it are refused.`
    pub fn on_key(deed: &str, name: &str, effect: &str) -> Self {
        let after = if effect.is_empty() { "”.".to_owned() } else { format!("”. {effect}") };
        Flash { before: format!("{deed} “"), object: name.to_owned(), after, id: None }
    }

    /// `Added ada@example.com. They can sign in now.`
    pub fn on_person(deed: &str, email: &str, effect: &str) -> Self {
        Flash { before: format!("{deed} "), object: email.to_owned(), after: format!(". {effect}"), id: None }
    }

    /// The outcome then links to the events about this key or person.
    pub fn about(self, id: impl ToString) -> Self {
        Flash { id: Some(id.to_string()), ..self }
    }
}

/// The key of a browser's flash cookies.
pub struct FlashSecret([u8; 32]);

impl FlashSecret {
    /// From the session's cookie or, before sign-in, the form cookie.
    pub fn of(token: &SessionToken) -> Self {
        FlashSecret(token.derive("flash"))
    }

    /// The cookie's value. What is sealed under one secret must differ in its required fields.
    pub fn seal(&self, outcome: &impl Serialize) -> String {
        let text = serde_json::to_vec(outcome).expect("strings and numbers can be written as JSON");
        BASE64URL_NOPAD.encode(&[&self.mark(&text)[..], &text].concat())
    }

    /// `None` if another secret sealed it, or somebody changed it.
    pub fn open<T: DeserializeOwned>(&self, value: &str) -> Option<T> {
        let bytes = BASE64URL_NOPAD.decode(value.as_bytes()).ok()?;
        let (mark, text) = bytes.split_at_checked(32)?;
        if !constant_time::is_equal(&self.mark(text), mark) {
            return None;
        }
        serde_json::from_slice(text).ok()
    }

    /// The inner digest has a fixed length, so no text can be appended to a sealed one.
    fn mark(&self, text: &[u8]) -> [u8; 32] {
        *Digest::of(&[&self.0[..], Digest::of(text).as_bytes()].concat()).as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flash_is_read_only_with_the_secret_that_sealed_it_and_only_unchanged() {
        let (own, other) = (FlashSecret::of(&SessionToken::new([1; 32])), FlashSecret::of(&SessionToken::new([2; 32])));
        for flash in [
            Flash::plain("You’re signed out."),
            Flash::on_key("Revoked", "<b>ключ</b>", "Requests with it are refused."),
            Flash::on_person("Added", "ada@example.com", "They can sign in now.").about(7),
        ] {
            let sealed = own.seal(&flash);
            assert_eq!(own.open(&sealed), Some(flash));
            assert_eq!(other.open::<Flash>(&sealed), None);
            for forged in ["", "x", &sealed[1..], &format!("{sealed}AAAA"), &sealed.replace(&sealed[60..64], "AAAA")] {
                assert_eq!(own.open::<Flash>(forged), None, "{forged}");
            }
        }
    }
}
