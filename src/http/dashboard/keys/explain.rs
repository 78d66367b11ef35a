//! `/keys/{id}/explain`: whether a request with a key would be accepted, check by check. Nothing is changed or counted.

use actix_web::HttpResponse;
use actix_web::web::Path;
use askama::Template;

use super::show::find;
use crate::auth::{CheckOutcome, VerdictCheck};
use crate::error::{Error, Result as Outcome};
use crate::http::dashboard::frame::{
    Field, FieldError, Nav, PageError, Shell, SignedForm, SignedIn, errors_of, unprocessable,
};
use crate::model::verdict::Demand;
use crate::model::{ClientAddress, KeyRecord, Scope};

#[derive(Template)]
#[template(path = "keys/explain.html")]
struct ExplainPage {
    shell: Shell,
    record: KeyRecord,
    address: Field,
    needs: Field,
    /// Empty until a request was described.
    checks: Vec<CheckView>,
    is_accepted: bool,
}

struct CheckView {
    question: &'static str,
    outcome: CheckOutcome,
    detail: String,
}

impl From<VerdictCheck> for CheckView {
    fn from(check: VerdictCheck) -> Self {
        let question = match check.name {
            "known" => "The key exists",
            "owner_active" => "Its owner is active",
            "enabled" => "It is enabled",
            "not_expired" => "It has not expired",
            "address" => "The address is allowed",
            "scopes" => "It has the scopes",
            _ => "Its rate limit is not used up",
        };
        CheckView { question, outcome: check.outcome, detail: check.detail }
    }
}

impl ExplainPage {
    fn new(who: &SignedIn, record: KeyRecord, address: &str, needs: &str) -> Outcome<Self> {
        let is_own = record.owner.id == who.user().id;
        Ok(ExplainPage {
            shell: who.shell("Would a request be accepted?", if is_own { Nav::Keys } else { Nav::AdminKeys })?,
            address: Field::new(address),
            needs: Field::new(needs),
            checks: Vec::new(),
            is_accepted: false,
            record,
        })
    }

    fn errors(&self) -> Vec<FieldError<'_>> {
        errors_of([("address".to_owned(), &self.address), ("needs".to_owned(), &self.needs)])
    }
}

pub async fn page(who: SignedIn, id: Path<String>) -> Result<HttpResponse, PageError> {
    let record = find(&who, &id).await?;
    who.ok(&ExplainPage::new(&who, record, "", "")?)
}

pub async fn explain(form: SignedForm, id: Path<String>) -> Result<HttpResponse, PageError> {
    let SignedForm { who, fields, .. } = form;
    let record = find(&who, &id).await?;
    let (address, needs) = (fields.text("address").trim(), fields.text("needs").trim());
    let key = record.id;
    let mut page = ExplainPage::new(&who, record, address, needs)?;
    let parsed = match address {
        "" => Ok(None),
        text => text.parse().map(|ip: std::net::IpAddr| Some(ClientAddress::from(ip))),
    };
    let scopes: Outcome<Vec<Scope>> = needs.split_whitespace().map(Scope::parse_need).collect();
    match (parsed, scopes) {
        (Ok(address), Ok(scopes)) => {
            let scopes: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
            let demand = Demand { scopes: &scopes, address, user_agent: b"" };
            let explained = who.site.auth.explain_key(&who.asking().caller, key, &demand).await?;
            page.is_accepted = explained.refusal.is_none();
            page.checks = explained.checks.into_iter().map(CheckView::from).collect();
            who.ok(&page)
        }
        (address, scopes) => {
            if address.is_err() {
                page.address.error = Some("Write an address as 203.0.113.7 or 2001:db8::1.".to_owned());
            }
            if let Err(Error { message, .. }) = scopes {
                page.needs.error = Some(message.to_string());
            }
            Ok(unprocessable(&page)?)
        }
    }
}
