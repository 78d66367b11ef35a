//! The parts of the OpenAPI document: its records, their fields and types, and text with code in it.

use serde_json::{Map, Value};

/// Text in which some pieces are code.
pub type Prose = Vec<Piece>;

pub struct Piece {
    pub text: String,
    pub is_code: bool,
}

/// A parameter of an operation, or a field of a record.
pub struct ParameterRow {
    pub name: String,
    /// `query`, `path`, `header`; empty for a field.
    pub place: String,
    /// The type, such as `string (uuid) or null`.
    pub kind: String,
    /// A record that describes it further.
    pub record: Option<SchemaLink>,
    pub is_required: bool,
    pub description: Prose,
}

/// A record by its name, with the anchor of its description on this page.
#[derive(Clone)]
pub struct SchemaLink {
    pub anchor: String,
    pub name: String,
}

/// An object in a body or a response, or a single value with its own rules.
pub struct SchemaSection {
    pub anchor: String,
    pub name: String,
    pub description: Prose,
    /// Empty for a single value.
    pub fields: Vec<ParameterRow>,
    pub kind: String,
    /// The regular expression of a single value.
    pub pattern: Option<String>,
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub fn prose(value: &Value) -> Prose {
    marked(value.as_str().unwrap_or_default())
}

/// Splits text at backticks; what they enclose is code.
pub fn marked(text: &str) -> Prose {
    let pieces = text.split('`').enumerate();
    pieces.map(|(at, text)| Piece { text: text.to_owned(), is_code: at % 2 == 1 }).collect()
}

pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub fn map(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// What a `$ref` leads to, or the value itself.
pub fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

/// The record that a schema names.
pub fn reference(schema: &Value) -> Option<SchemaLink> {
    let direct = schema["$ref"].as_str();
    let alternatives = list(&schema["oneOf"]).chain(list(&schema["anyOf"])).chain(list(&schema["allOf"]));
    let within = || alternatives.chain([&schema["items"]]).find_map(|inner| inner["$ref"].as_str());
    let name = direct.or_else(within)?.rsplit('/').next()?.to_owned();
    Some(SchemaLink { anchor: format!("record-{name}"), name })
}

pub fn record(document: &Value, name: &str, schema: &Value) -> SchemaSection {
    // A record that holds another one's fields beside its own.
    let parts: Vec<&Value> = match schema["allOf"].as_array() {
        Some(parts) => parts.iter().map(|part| resolved(document, part)).collect(),
        None => vec![schema],
    };
    let fields = parts.into_iter().flat_map(|part| {
        map(&part["properties"]).map(move |(field, schema)| ParameterRow {
            name: field.clone(),
            place: String::new(),
            kind: kind(document, schema),
            record: reference(schema),
            is_required: list(&part["required"]).any(|required| required == field),
            description: prose(described(schema)),
        })
    });
    SchemaSection {
        anchor: format!("record-{name}"),
        name: name.to_owned(),
        description: prose(&schema["description"]),
        fields: fields.collect(),
        kind: kind(document, schema),
        pattern: schema["pattern"].as_str().map(str::to_owned),
    }
}

/// The description of what a schema allows besides `null`, if it has one, or else the schema's own.
fn described(schema: &Value) -> &Value {
    let within = list(&schema["oneOf"]).map(|inner| &inner["description"]).find(|text| text.is_string());
    within.unwrap_or(&schema["description"])
}

/// A schema's type in words.
pub fn kind(document: &Value, schema: &Value) -> String {
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
