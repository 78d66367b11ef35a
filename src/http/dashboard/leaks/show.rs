//! `GET`, `POST /admin/leaks` and `POST /admin/leaks/revoke`. The text is searched in memory; it is neither stored nor
//! shown again, and only ids of keys lead from the first form to the second.

use actix_web::{HttpResponse, web};
use askama::Template;
use zeroize::Zeroizing;

use crate::auth::{KeyTraces, WhichKeys};
use crate::error::Error;
use crate::http::dashboard::frame::{Admin, Field, Flash, LongForm, Nav, PageError, Shell, SignedIn, unprocessable};
use crate::http::dashboard::keys::found::FoundKey;
use crate::model::{Basis, KeyId, counted};

/// Maximum size of a text in bytes.
const MAX_TEXT: usize = 1024 * 1024;
/// Maximum keys that are found in a text, and so revoked together.
const MAX_KEYS: usize = 1_000;
/// Keys revoked per transaction, so that no other revocation waits for all of them.
const AT_ONCE: usize = 250;

#[derive(Template)]
#[template(path = "leaks/show.html")]
struct LeaksPage {
    shell: Shell,
    /// Only its error: the text is not shown again.
    text: Field,
    /// `None` before a text was searched.
    found: Option<FoundInText>,
}

struct FoundInText {
    keys: Vec<FoundKey>,
    revoked: usize,
    unknown: usize,
    /// Keys that the text has beyond the maximum.
    left_out: usize,
}

impl LeaksPage {
    fn new(who: &SignedIn) -> Result<Self, PageError> {
        Ok(LeaksPage { shell: who.shell("Leaks", Nav::Leaks)?, text: Field::default(), found: None })
    }

    fn refused(who: &SignedIn, error: &str) -> Result<HttpResponse, PageError> {
        Ok(unprocessable(&LeaksPage { text: Field::wrong(error), ..LeaksPage::new(who)? })?)
    }
}

pub async fn page(admin: Admin) -> Result<HttpResponse, PageError> {
    let who = admin.0;
    who.ok(&LeaksPage::new(&who)?)
}

pub async fn search(form: LongForm) -> Result<HttpResponse, PageError> {
    let who = &form.who;
    let text = form.fields.text("text");
    if text.trim().is_empty() {
        return LeaksPage::refused(who, "Paste the text in which keys may have leaked.");
    }
    if text.len() > MAX_TEXT {
        let error = "This text is larger than 1 MiB. Search it in parts, or use keybearer keys revoke --stdin.";
        return LeaksPage::refused(who, error);
    }
    let (site, text) = (who.site.clone(), Zeroizing::new(text.to_owned()));
    let search = move || {
        let mut found = site.auth.digests_in(text.as_bytes());
        let left_out = found.keep_first(MAX_KEYS);
        (found, left_out)
    };
    let (found, left_out) = web::block(search).await.map_err(Error::internal)?;
    let traces = who.site.auth.trace_keys(&who.asking().caller, found).await?;
    let KeyTraces { seen, revoked, unknown, .. } = traces;
    let now = who.site.auth.now();
    let keys = seen.iter().map(|record| FoundKey::of(record, now)).collect();
    let found = FoundInText { keys, revoked: revoked.len(), unknown, left_out };
    who.ok(&LeaksPage { found: Some(found), ..LeaksPage::new(who)? })
}

pub async fn revoke(form: LongForm) -> Result<HttpResponse, PageError> {
    let who = &form.who;
    let ids = form.fields.all("key").map(KeyId::parse).collect::<Result<Vec<_>, _>>()?;
    if ids.is_empty() {
        return LeaksPage::refused(who, "No key was ticked, so none was revoked. Paste the text again and tick some.");
    }
    let (mut revoked, mut missing) = (0, 0);
    for some in ids.chunks(AT_ONCE) {
        let which = WhichKeys::Leaked(some.to_vec());
        let done = who.site.auth.revoke_keys(&who.asking(), which, Basis::Anything).await?;
        (revoked, missing) = (revoked + done.records.len(), missing + done.missing.len());
    }
    let mut outcome = format!("Revoked {}.", counted(revoked as u64, "key"));
    match missing {
        0 => {}
        1 => outcome.push_str(" One other was revoked already."),
        many => outcome.push_str(&format!(" {many} others were revoked already.")),
    }
    who.redirect("/admin/leaks", &Flash::plain(&outcome))
}
