//! `/keys/{id}/edit`: changes the settings of a key. A change of more than its name and description is shown first, as
//! it was and as it will be.

use actix_web::HttpResponse;
use actix_web::web::Path;
use askama::Template;

use super::diff::{ChangedField, changed_fields};
use super::limit_fields::WINDOWS;
use super::settings_form::SettingsForm;
use super::show::find;
use crate::auth::SensitiveAct;
use crate::error::{Error, Kind, Result as Outcome};
use crate::http::dashboard::frame::{
    Field, FieldError, Flash, FormFields, Nav, PageError, Shell, SignedForm, SignedIn, When, errors_of, unprocessable,
};
use crate::model::{Basis, KeyChange, KeyRecord, Version};

/// `GET /keys/{id}/edit`, and the response to a form that was refused or must be confirmed.
#[derive(Template)]
#[template(path = "keys/edit.html")]
pub struct EditKeyPage {
    shell: Shell,
    id: String,
    name: String,
    hint: String,
    form: SettingsForm,
    /// The version that the form was filled in from.
    version: String,
    expires: Option<When>,
    /// When and from where the key was last used, for the person who narrows it.
    last_used: Option<When>,
    /// Not empty if the change awaits confirmation.
    changes: Vec<ChangedField>,
    /// Why the form must be looked at again, although no field is wrong.
    notice: Option<String>,
    /// `Some` if the page asks for the password again, as `current_password`.
    current_password: Option<Field>,
}

pub async fn page(who: SignedIn, id: Path<String>) -> Result<HttpResponse, PageError> {
    let record = find(&who, &id).await?;
    must_be_editable(&record)?;
    let form = SettingsForm::of(&who, &record).await?;
    who.ok(&EditKeyPage::new(&who, &record, form, record.version().to_string())?)
}

/// Fields that the form does not have are unchanged.
pub async fn edit(form: SignedForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let SignedForm { who, fields, .. } = form;
    let record = find(&who, &id).await?;
    must_be_editable(&record)?;
    let seen = Version::parse(fields.text("version"));
    let typed = SettingsForm::typed(&who, &fields, super::expiry::KEEP).await?;
    let mut page = EditKeyPage::new(&who, &record, typed, record.version().to_string())?;
    let Some(filled) = page.form.parse(&fields, who.site.auth.now()) else { return Ok(unprocessable(&page)?) };
    let wanted = filled.change();
    let after = record.clone().after(wanted.clone());
    if seen.is_some_and(|seen| seen != record.version()) {
        page.notice = Some("Somebody changed this key in the meantime. Check your changes and save again.".to_owned());
        return Ok(unprocessable(&page)?);
    }
    let changes = changed_fields(&record, &after);
    if !is_confirmed(&changes, &fields) {
        page.changes = changes;
        return who.ok(&page);
    }
    if let Err(error) = who.confirm(SensitiveAct::change(&record, &after), fields.text("current_password")).await {
        page.changes = changes;
        page.current_password = Some(Field::wrong(error?));
        return Ok(unprocessable(&page)?);
    }
    save(&who, page, &record, wanted).await
}

async fn save(
    who: &SignedIn,
    mut page: EditKeyPage,
    record: &KeyRecord,
    wanted: KeyChange,
) -> Result<HttpResponse, PageError> {
    match who.site.auth.change_key(&who.asking(), record.id, wanted, Basis::OneOf(vec![record.version()])).await {
        Ok(after) => {
            let name = after.settings.name.as_str();
            who.redirect(
                &format!("/keys/{}", after.id),
                &Flash::on_key("Saved", name, "It is in force now.").about(after.id),
            )
        }
        Err(Error { kind: Kind::Invalid | Kind::Forbidden, field: Some("scopes"), message, .. }) => {
            page.form.refuse_scopes(&message);
            Ok(unprocessable(&page)?)
        }
        Err(error) => Err(error.into()),
    }
}

/// A new name or description is saved at once; it changes nothing for requests.
fn is_confirmed(changes: &[ChangedField], fields: &FormFields) -> bool {
    fields.text("confirmed") == "yes" || changes.iter().all(|change| change.is_label)
}

fn must_be_editable(record: &KeyRecord) -> Outcome<()> {
    if record.is_token {
        return Err(Error::conflict("A short-lived token cannot be changed. Disable or revoke it instead."));
    }
    Ok(())
}

impl EditKeyPage {
    fn new(who: &SignedIn, record: &KeyRecord, form: SettingsForm, version: String) -> Outcome<Self> {
        let here = if record.owner.id == who.user().id { Nav::Keys } else { Nav::AdminKeys };
        Ok(EditKeyPage {
            shell: who.shell(&format!("Edit {}", record.settings.name), here)?,
            id: record.id.to_string(),
            name: record.settings.name.to_string(),
            hint: record.hint.clone(),
            form,
            version,
            expires: record.settings.expires_at.map(When::from),
            last_used: record.last_use.as_ref().map(|last| last.at.into()),
            changes: Vec::new(),
            notice: None,
            current_password: None,
        })
    }

    /// The key's expiry, in words.
    fn kept_expiry(&self) -> &str {
        self.expires.as_ref().map_or("Never", |at| at.text.as_str())
    }

    fn errors(&self) -> Vec<FieldError<'_>> {
        let mut errors = self.form.errors();
        errors.extend(errors_of(self.current_password.iter().map(|field| ("current_password".to_owned(), field))));
        errors
    }
}
