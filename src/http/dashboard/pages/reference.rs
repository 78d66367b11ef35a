//! The API's reference, as plain data read out of the OpenAPI document.

use askama::Template;

use super::shell::Shell;

/// `GET /reference`.
#[derive(Template)]
#[template(path = "reference.html")]
pub struct ReferencePage {
    pub shell: Shell,
    /// Without a trailing slash.
    pub public_url: String,
    pub introduction: Prose,
    pub groups: Vec<Group>,
    /// Statuses that operations share.
    pub problems: Vec<AnswerEntry>,
    pub records: Vec<Record>,
}

/// Words and, here and there, code.
pub type Prose = Vec<Piece>;

pub struct Piece {
    pub text: String,
    pub is_code: bool,
}

/// A family of operations.
pub struct Group {
    /// For links within the page.
    pub anchor: String,
    pub name: String,
    pub description: Prose,
    pub operations: Vec<OperationEntry>,
}

pub struct OperationEntry {
    pub id: String,
    /// In capitals.
    pub method: String,
    pub path: String,
    pub summary: String,
    /// In paragraphs.
    pub description: Vec<Prose>,
    pub parameters: Vec<Entry>,
    /// The name of the record that it takes.
    pub body: Option<Reference>,
    pub answers: Vec<AnswerEntry>,
}

/// A parameter of an operation, or a field of a record.
pub struct Entry {
    pub name: String,
    /// `query`, `path`, `header`; empty for a field.
    pub place: String,
    /// Such as `string (uuid) or null`.
    pub kind: String,
    /// A record that describes it further.
    pub record: Option<Reference>,
    pub is_required: bool,
    pub description: Prose,
}

/// A record by its name, with the anchor of its description on this page.
#[derive(Clone)]
pub struct Reference {
    pub anchor: String,
    pub name: String,
}

pub struct AnswerEntry {
    pub status: String,
    pub description: Prose,
    pub record: Option<Reference>,
    pub is_problem: bool,
}

/// An object of a body or an answer, or a single value with rules of its own.
pub struct Record {
    pub anchor: String,
    pub name: String,
    pub description: Prose,
    /// None for a single value.
    pub fields: Vec<Entry>,
    pub kind: String,
    /// The regular expression of a single value.
    pub pattern: Option<String>,
}
