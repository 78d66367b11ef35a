//! What My keys says about keys that were revoked because they had leaked, until the owner dismisses it.

use actix_web::HttpResponse;

use crate::auth::LeakNotices;
use crate::error::{Error, Result as Outcome};
use crate::http::dashboard::frame::{PageError, SignedForm, SignedIn, When, see_other};
use crate::model::{LeakPlace, Time};

#[derive(Default)]
pub struct LeakBanner {
    pub keys: Vec<LeakedKeyLine>,
    /// How many keys are not among the lines.
    pub others: u64,
    /// The time of the newest notice, in milliseconds: dismissing forgets no later one.
    pub until: i64,
}

pub struct LeakedKeyLine {
    pub name: String,
    pub hint: String,
    pub revoked: When,
    pub place: Option<String>,
}

impl LeakBanner {
    /// `None` if there is nothing to say.
    pub async fn of(who: &SignedIn) -> Outcome<Option<Self>> {
        let LeakNotices { newest, count } = who.site.auth.leak_notices(who.user().id).await?;
        let Some(until) = newest.first().map(|notice| notice.revoked_at.millis()) else { return Ok(None) };
        let others = count.saturating_sub(newest.len() as u64);
        let line = |notice: crate::model::LeakNotice| LeakedKeyLine {
            name: notice.name,
            hint: notice.hint,
            revoked: notice.revoked_at.into(),
            place: notice.place.as_ref().map(LeakPlace::as_str).map(str::to_owned),
        };
        Ok(Some(LeakBanner { keys: newest.into_iter().map(line).collect(), others, until }))
    }
}

pub async fn dismiss(form: SignedForm) -> Result<HttpResponse, PageError> {
    let until = form.fields.text("until").parse().map(Time::from_millis);
    let until = until.map_err(|_| Error::invalid("until", "Reload My keys and dismiss the notice there."))?;
    form.who.site.auth.dismiss_leak_notices(form.who.user().id, until).await?;
    Ok(see_other("/keys"))
}
