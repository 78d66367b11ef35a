//! `/reference`: the OpenAPI document for people, who are signed in.

use actix_web::HttpResponse;
use serde_json::{Map, Value};

use super::pages::{AnswerEntry, Entry, Group, Nav, OperationEntry, Piece, Prose, Record, Reference, ReferencePage};
use super::signed_in::{Gate, SignedIn};
use super::view;

/// Of methods: reading before writing before ending.
const ORDER: [&str; 4] = ["get", "post", "patch", "delete"];

pub async fn show(who: SignedIn) -> Result<HttpResponse, Gate> {
    let document = &who.site.openapi;
    Ok(view::ok(&ReferencePage {
        shell: who.shell("API reference", Nav::Reference)?,
        public_url: who.site.settings.public_url.as_str().to_owned(),
        introduction: prose(&document["info"]["description"]),
        groups: list(&document["tags"]).map(|tag| group(document, tag)).collect(),
        problems: map(&document["components"]["responses"])
            .map(|(status, answer)| told(document, status, answer))
            .collect(),
        records: map(&document["components"]["schemas"]).map(|(name, schema)| record(document, name, schema)).collect(),
    })?)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn prose(value: &Value) -> Prose {
    marked(value.as_str().unwrap_or_default())
}

/// Between backticks there is code.
fn marked(text: &str) -> Prose {
    let pieces = text.split('`').enumerate();
    pieces.map(|(at, text)| Piece { text: text.to_owned(), is_code: at % 2 == 1 }).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn map(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// What a `$ref` leads to, or the value itself.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

/// The record that a schema names.
fn reference(schema: &Value) -> Option<Reference> {
    let direct = schema["$ref"].as_str();
    let alternatives = list(&schema["oneOf"]).chain(list(&schema["anyOf"])).chain(list(&schema["allOf"]));
    let within = || alternatives.chain([&schema["items"]]).find_map(|inner| inner["$ref"].as_str());
    let name = direct.or_else(within)?.rsplit('/').next()?.to_owned();
    Some(Reference { anchor: format!("record-{name}"), name })
}

fn group(document: &Value, tag: &Value) -> Group {
    let name = text(&tag["name"]);
    let all = map(&document["paths"]).flat_map(|(path, item)| map(item).map(move |entry| (path, entry)));
    let mut own: Vec<_> = all.filter(|(_, (_, operation))| operation["tags"][0] == name.as_str()).collect();
    own.sort_by_key(|(path, (method, _))| (*path, ORDER.iter().position(|own| own == method)));
    Group {
        anchor: name.to_lowercase().replace(' ', "-"),
        description: prose(&tag["description"]),
        operations: own
            .into_iter()
            .map(|(path, (method, operation))| entry(document, path, method, operation))
            .collect(),
        name,
    }
}

fn entry(document: &Value, path: &str, method: &str, operation: &Value) -> OperationEntry {
    let parameter = |parameter: &Value| Entry {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        kind: kind(document, &parameter["schema"]),
        record: None,
        is_required: parameter["required"] == true,
        description: prose(&parameter["description"]),
    };
    let description = text(&operation["description"]);
    let paragraphs = description.split("\n\n").filter(|part| !part.is_empty());
    OperationEntry {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&operation["summary"]),
        description: paragraphs.map(marked).collect(),
        parameters: list(&operation["parameters"]).map(parameter).collect(),
        body: map(&operation["requestBody"]["content"]).find_map(|(_, content)| reference(&content["schema"])),
        answers: map(&operation["responses"]).map(|(status, answer)| told(document, status, answer)).collect(),
    }
}

fn told(document: &Value, status: &str, answer: &Value) -> AnswerEntry {
    let answer = resolved(document, answer);
    let record = map(&answer["content"]).find_map(|(_, content)| reference(&content["schema"]));
    AnswerEntry {
        status: status.to_owned(),
        description: prose(&answer["description"]),
        is_problem: record.as_ref().is_some_and(|record| record.name == "Problem"),
        record,
    }
}

fn record(document: &Value, name: &str, schema: &Value) -> Record {
    // A record that holds another one's fields beside its own.
    let parts: Vec<&Value> = match schema["allOf"].as_array() {
        Some(parts) => parts.iter().map(|part| resolved(document, part)).collect(),
        None => vec![schema],
    };
    let fields = parts.into_iter().flat_map(|part| {
        map(&part["properties"]).map(move |(field, schema)| Entry {
            name: field.clone(),
            place: String::new(),
            kind: kind(document, schema),
            record: reference(schema),
            is_required: list(&part["required"]).any(|required| required == field),
            description: prose(described(schema)),
        })
    });
    Record {
        anchor: format!("record-{name}"),
        name: name.to_owned(),
        description: prose(&schema["description"]),
        fields: fields.collect(),
        kind: kind(document, schema),
        pattern: schema["pattern"].as_str().map(str::to_owned),
    }
}

/// A schema's description, or that of what it may be instead of `null`.
fn described(schema: &Value) -> &Value {
    let within = list(&schema["oneOf"]).map(|inner| &inner["description"]).find(|text| text.is_string());
    within.unwrap_or(&schema["description"])
}

/// A schema's type in words.
fn kind(document: &Value, schema: &Value) -> String {
    let schema = resolved(document, schema);
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(text).collect::<Vec<_>>().join(", ");
    }
    let types: Vec<String> = match &schema["type"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().map(text).collect(),
        _ => {
            let mut kinds = Vec::new();
            for inner in list(&schema["oneOf"]).chain(list(&schema["anyOf"])) {
                let kind = kind(document, inner);
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
            kinds
        }
    };
    let words = types.join(" or ");
    let format = schema["format"].as_str().filter(|format| !format.starts_with("int"));
    match (format, schema["items"].is_object()) {
        (Some(format), _) => format!("{words} ({format})"),
        (None, true) => format!("{words} of {}", kind(document, &schema["items"])),
        (None, false) => words,
    }
}
