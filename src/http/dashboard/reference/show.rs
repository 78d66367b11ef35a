//! `/reference`: the operations of the API, by group.

use actix_web::HttpResponse;
use askama::Template;
use serde_json::Value;

use super::schema::{
    ParameterRow, Prose, SchemaLink, SchemaSection, kind, list, map, marked, prose, record, reference, resolved, text,
};
use crate::http::dashboard::frame::{Nav, PageError, Shell, SignedIn};

/// The order of methods: reading, then writing, then deleting.
const ORDER: [&str; 4] = ["get", "post", "patch", "delete"];

/// `GET /reference`.
#[derive(Template)]
#[template(path = "reference/show.html")]
struct ReferencePage {
    pub shell: Shell,
    /// Without a trailing slash.
    pub public_url: String,
    pub introduction: Prose,
    pub groups: Vec<OperationGroup>,
    /// Statuses that operations share.
    pub problems: Vec<ResponseRow>,
    pub records: Vec<SchemaSection>,
}

/// A group of operations.
pub struct OperationGroup {
    /// For links within the page.
    pub anchor: String,
    pub name: String,
    pub description: Prose,
    pub operations: Vec<OperationSection>,
}

pub struct OperationSection {
    pub id: String,
    /// In upper case.
    pub method: String,
    pub path: String,
    pub summary: String,
    /// In paragraphs.
    pub description: Vec<Prose>,
    pub parameters: Vec<ParameterRow>,
    /// The record in the request's body.
    pub body: Option<SchemaLink>,
    pub answers: Vec<ResponseRow>,
}

pub struct ResponseRow {
    pub status: String,
    pub description: Prose,
    pub record: Option<SchemaLink>,
    pub is_problem: bool,
}

pub async fn page(who: SignedIn) -> Result<HttpResponse, PageError> {
    let document = &who.site.openapi;
    who.ok(&ReferencePage {
        shell: who.shell("API reference", Nav::Reference)?,
        public_url: who.site.settings.public_url.as_str().to_owned(),
        introduction: prose(&document["info"]["description"]),
        groups: list(&document["tags"]).map(|tag| group(document, tag)).collect(),
        problems: map(&document["components"]["responses"])
            .map(|(status, answer)| response(document, status, answer))
            .collect(),
        records: map(&document["components"]["schemas"]).map(|(name, schema)| record(document, name, schema)).collect(),
    })
}

fn group(document: &Value, tag: &Value) -> OperationGroup {
    let name = text(&tag["name"]);
    let all = map(&document["paths"]).flat_map(|(path, item)| map(item).map(move |entry| (path, entry)));
    let mut own: Vec<_> = all.filter(|(_, (_, operation))| operation["tags"][0] == name.as_str()).collect();
    own.sort_by_key(|(path, (method, _))| (*path, ORDER.iter().position(|own| own == method)));
    OperationGroup {
        anchor: name.to_lowercase().replace(' ', "-"),
        description: prose(&tag["description"]),
        operations: own
            .into_iter()
            .map(|(path, (method, operation))| entry(document, path, method, operation))
            .collect(),
        name,
    }
}

fn entry(document: &Value, path: &str, method: &str, operation: &Value) -> OperationSection {
    let parameter = |parameter: &Value| ParameterRow {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        kind: kind(document, &parameter["schema"]),
        record: None,
        is_required: parameter["required"] == true,
        description: prose(&parameter["description"]),
    };
    let description = text(&operation["description"]);
    let paragraphs = description.split("\n\n").filter(|part| !part.is_empty());
    OperationSection {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&operation["summary"]),
        description: paragraphs.map(marked).collect(),
        parameters: list(&operation["parameters"]).map(parameter).collect(),
        body: map(&operation["requestBody"]["content"]).find_map(|(_, content)| reference(&content["schema"])),
        answers: map(&operation["responses"]).map(|(status, answer)| response(document, status, answer)).collect(),
    }
}

fn response(document: &Value, status: &str, answer: &Value) -> ResponseRow {
    let answer = resolved(document, answer);
    let record = map(&answer["content"]).find_map(|(_, content)| reference(&content["schema"]));
    ResponseRow {
        status: status.to_owned(),
        description: prose(&answer["description"]),
        is_problem: record.as_ref().is_some_and(|record| record.name == "Problem"),
        record,
    }
}
