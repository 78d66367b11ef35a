//! My keys: the list, a new one, the one page that shows it, one key and what can be done to it.

use actix_web::HttpResponse;
use actix_web::web::{Path, Query};

use super::form::{Fields, SignedForm};
use super::key_form;
use super::pages::{Field, KeyOnceBefore, KeyPage, KeyShown, KeysPage, LastUse, Nav, Replaced, When};
use super::signed_in::{Gate, SignedIn, see_other};
use super::view::{self, ListQuery, ROWS, when};
use crate::auth::{Made, Rotation};
use crate::error::{Error, Kind, Result as Outcome};
use crate::model::rotation::may_rotate;
use crate::model::{Basis, Expiry, Handover, KeyChange, KeyFilter, KeyId, KeyName, KeyRecord, Overlap, PlainKey, Time};

pub async fn list(who: SignedIn, query: Query<ListQuery>) -> Result<HttpResponse, Gate> {
    let auth = &who.site.auth;
    let own = Some(who.user().id);
    let list = KeyFilter { owner: own, after: query.cursor()?, limit: ROWS, ..KeyFilter::default() };
    let page = auth.keys(&who.asking().caller, list).await?;
    let now = auth.now();
    Ok(view::ok(&KeysPage {
        shell: who.shell_with("My keys", Nav::Keys, view::notice(query.notice.as_deref()))?,
        pager: query.pager("/keys", &page),
        keys: page.rows.iter().map(|record| view::key_row(record, now)).collect(),
        public_url: who.site.settings.public_url.as_str().to_owned(),
    })?)
}

pub async fn new(who: SignedIn) -> Result<HttpResponse, Gate> {
    let page = key_form::page(&who, &Fields::default(), who.shell("New key", Nav::Keys)?).await?;
    Ok(view::ok(&page)?)
}

/// Makes the key and shows it: the only answer that ever holds its text.
pub async fn create(form: SignedForm) -> Result<HttpResponse, Gate> {
    let SignedForm { who, fields, submission } = form;
    let auth = &who.site.auth;
    let mut page = key_form::page(&who, &fields, who.shell("New key", Nav::Keys)?).await?;
    let Some(request) = key_form::parse(&who, &fields, submission, &mut page, auth.now()) else {
        return Ok(view::unprocessable(&page)?);
    };
    if request.settings.scopes.iter().any(|scope| scope.is_reserved())
        && who.user().is_admin()
        && let Err(error) = who.confirm(fields.text("current_password")).await
    {
        page.current_password = Some(Field { value: String::new(), error: Some(error?) });
        return Ok(view::unprocessable(&page)?);
    }
    match auth.create_key(&who.asking(), request).await {
        Ok(Made::Now { key, record }) => Ok(view::ok(&shown(&who, &key, &record)?)?),
        // The same form once more, by a reload: made once, shown once.
        Ok(Made::Before(id)) => Ok(shown_before(&who, id).await?),
        Err(error) if matches!(error.field, Some("scopes")) => {
            page.scopes.push(Field { value: String::new(), error: Some(error.message.to_string()) });
            Ok(view::unprocessable(&page)?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes the new key and shows it, exactly as `create` does.
pub async fn rotate(form: SignedForm, id: Path<String>) -> Result<HttpResponse, Gate> {
    let SignedForm { who, fields, submission } = form;
    let (auth, key) = (&who.site.auth, KeyId::parse(&id)?);
    let overlap = Overlap::parse(fields.text("overlap"))?;
    // Gone already: perhaps by this very form, sent before. The verb can tell.
    let old = auth.key(&who.asking().caller, key).await.ok();
    if let Some(old) = old.as_ref().filter(|old| old.settings.scopes.iter().any(|scope| scope.is_reserved()))
        && who.user().is_admin()
        && let Err(error) = who.confirm(fields.text("current_password")).await
    {
        let mut page = page(&who, old, None)?;
        page.rotate_password = Some(Field { value: String::new(), error: Some(error?) });
        page.overlap = fields.text("overlap").to_owned();
        page.new_expiry = fields.text("expires").to_owned();
        return Ok(view::unprocessable(&page)?);
    }
    let expiry = match fields.text("expires") {
        "" => None,
        text => Some(Expiry::parse(text, auth.now())?),
    };
    let rotation = Rotation {
        key,
        overlap,
        handover: Handover::AtOnce,
        expiry,
        seen: Basis::Anything,
        submission: Some(submission),
    };
    match auth.rotate_key(&who.asking(), rotation).await? {
        Made::Now { key, record } => Ok(view::ok(&KeyShown {
            // Of one that had expired before, an overlap says nothing.
            replaces: old
                .filter(|old| overlap.is_none() || !old.is_expired(auth.now()))
                .map(|old| Replaced { hint: old.hint.clone(), until: old_end(&old, overlap, auth.now()) }),
            ..shown(&who, &key, &record)?
        })?),
        Made::Before(id) => Ok(shown_before(&who, id).await?),
    }
}

fn old_end(old: &KeyRecord, overlap: Overlap, now: Time) -> Option<When> {
    (!overlap.is_none()).then(|| when(overlap.end(old, now)))
}

fn shown(who: &SignedIn, key: &PlainKey, record: &KeyRecord) -> Outcome<KeyShown> {
    Ok(KeyShown {
        shell: who.shell("Your new key", Nav::Keys)?,
        id: record.id.to_string(),
        name: record.settings.name.to_string(),
        key: key.expose().to_owned(),
        public_url: who.site.settings.public_url.as_str().to_owned(),
        replaces: None,
    })
}

async fn shown_before(who: &SignedIn, id: KeyId) -> Result<HttpResponse, Gate> {
    let name = match who.site.auth.key(&who.asking().caller, id).await {
        Ok(record) => record.settings.name.to_string(),
        Err(error) if error.kind == Kind::NotFound => "revoked since".to_owned(),
        Err(error) => return Err(error.into()),
    };
    Ok(view::ok(&KeyOnceBefore { shell: who.shell("Shown once", Nav::Keys)?, id: id.to_string(), name })?)
}

pub async fn show(who: SignedIn, id: Path<String>, query: Query<ListQuery>) -> Result<HttpResponse, Gate> {
    let record = find(&who, &id).await?;
    let page = page(&who, &record, query.notice.as_deref())?;
    Ok(view::ok(&page)?)
}

async fn find(who: &SignedIn, id: &str) -> Outcome<KeyRecord> {
    who.site.auth.key(&who.asking().caller, KeyId::parse(id)?).await
}

fn page(who: &SignedIn, record: &KeyRecord, notice: Option<&str>) -> Outcome<KeyPage> {
    let now = who.site.auth.now();
    let is_own = record.owner.id == who.user().id;
    Ok(KeyPage {
        shell: who.shell_with(
            record.settings.name.as_str(),
            if is_own { Nav::Keys } else { Nav::AdminKeys },
            view::notice(notice),
        )?,
        id: record.id.to_string(),
        name: record.settings.name.to_string(),
        hint: record.hint.clone(),
        owner: who.user().is_admin().then(|| view::owner(record)),
        state: record.state(now),
        damage: view::damage(&record.unreadable),
        is_enabled: record.enabled,
        is_imported: record.prefix.is_none(),
        scopes: view::scopes(record),
        created: when(record.created_at),
        expires: record.settings.expires_at.map(when),
        expires_soon: view::expires_soon(record, now),
        last_use: record.last_use.as_ref().map(|last| LastUse {
            at: when(last.at),
            address: last.address.clone(),
            user_agent: last.user_agent.clone(),
        }),
        allowed_ips: record.settings.allowed_ips.iter().map(ToString::to_string).collect(),
        rate_limit: record
            .settings
            .rate_limit
            .map(|limit| format!("{} requests in {} s, at most {} at once", limit.requests, limit.window, limit.burst)),
        edit_name: Some(view::field(record.settings.name.as_str())).filter(|_| !record.is_token),
        can_rotate: may_rotate(record).is_ok(),
        overlap: "24h".to_owned(),
        new_expiry: String::new(),
        lifetime: record.lifetime.map(view::span),
        rotate_password: None,
    })
}

/// Back to where the key's owner, or the admin, came from.
fn list_url(who: &SignedIn, record: &KeyRecord) -> &'static str {
    if record.owner.id == who.user().id { "/keys?notice=revoked" } else { "/admin/keys?notice=revoked" }
}

pub async fn revoke(form: SignedForm, id: Path<String>) -> Result<HttpResponse, Gate> {
    let record = find(&form.who, &id).await?;
    form.who.site.auth.revoke_key(&form.who.asking(), record.id, Basis::Anything).await?;
    Ok(see_other(list_url(&form.who, &record)))
}

async fn change(who: &SignedIn, id: KeyId, wanted: KeyChange) -> Outcome<KeyRecord> {
    who.site.auth.change_key(&who.asking(), id, wanted, Basis::Anything).await
}

pub async fn disable(form: SignedForm, id: Path<String>) -> Result<HttpResponse, Gate> {
    let record = change(&form.who, KeyId::parse(&id)?, KeyChange::disable()).await?;
    Ok(see_other(&format!("/keys/{}?notice=disabled", record.id)))
}

pub async fn enable(form: SignedForm, id: Path<String>) -> Result<HttpResponse, Gate> {
    let record = change(&form.who, KeyId::parse(&id)?, KeyChange::enable()).await?;
    Ok(see_other(&format!("/keys/{}?notice=enabled", record.id)))
}

pub async fn edit(form: SignedForm, id: Path<String>) -> Result<HttpResponse, Gate> {
    let record = find(&form.who, &id).await?;
    let typed = form.fields.text("name");
    let renamed = match KeyName::parse(typed) {
        Ok(name) => change(&form.who, record.id, KeyChange::rename(name)).await,
        Err(error) => Err(error),
    };
    match renamed {
        Ok(_) => Ok(see_other(&format!("/keys/{}?notice=saved", record.id))),
        Err(Error { kind: Kind::Invalid, message, .. }) => {
            let mut page = page(&form.who, &record, None)?;
            page.edit_name = Some(Field { error: Some(message.to_string()), ..view::field(typed) });
            Ok(view::unprocessable(&page)?)
        }
        Err(error) => Err(error.into()),
    }
}
