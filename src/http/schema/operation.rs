//! One method of one path, described briefly. What follows from the description (error responses, headers) is added
//! here, so that no operation forgets it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::http::access::Access;

pub struct Operation {
    path: &'static str,
    method: String,
    /// All schemas that the parameters, body and responses refer to.
    pub schemas: Vec<(String, Value)>,
    id: &'static str,
    group: &'static str,
    summary: &'static str,
    description: String,
    security: Value,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
}

impl Operation {
    pub fn new(group: &'static str, id: &'static str, summary: &'static str) -> Self {
        let operation = Operation {
            path: "",
            method: String::new(),
            schemas: Vec::new(),
            id,
            group,
            summary,
            description: String::new(),
            security: json!([]),
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
        };
        operation.refuses(&[400, 414, 431, 500, 503])
    }

    /// The operation as one method of this path, with the parameters, security and error responses that follow from it.
    pub fn on(mut self, method: &str, path: &'static str, access: Access) -> Self {
        (self.method, self.path) = (method.to_ascii_lowercase(), path);
        if path.contains("{id}") {
            self.parameters.insert(0, parameter("path", "id", super::field::id(), "The ID."));
        }
        match access {
            Access::Public | Access::SignedIn | Access::Admin => self,
            Access::Key => self.for_key(&[]),
            Access::Scope(scope) => {
                self.described_as(&format!("Needs a key with the scope `{scope}`.")).for_key(&[scope])
            }
            Access::Password => self.for_password(),
            Access::Client => self.for_client(false),
            Access::ClientOrKey => self.for_client(true),
        }
    }

    pub fn path(&self) -> &'static str {
        self.path
    }

    /// The method in lower case.
    pub fn method(&self) -> &str {
        &self.method
    }

    pub fn described_as(mut self, description: &str) -> Self {
        if !self.description.is_empty() {
            self.description.push_str("\n\n");
        }
        self.description.push_str(description);
        self
    }

    fn for_key(mut self, scopes: &[&str]) -> Self {
        self.security = json!([{ "bearer": scopes }, { "apiKey": scopes }]);
        self.refuses(&[401, 403, 429])
    }

    fn for_password(mut self) -> Self {
        self.security = json!([{ "password": [] }, {}]);
        self.refuses(&[401, 403, 429])
    }

    fn for_client(mut self, takes_bearer: bool) -> Self {
        let headers = [json!({ "bearer": [] }), json!({ "apiKey": [] })].into_iter().filter(|_| takes_bearer);
        self.security = headers.chain([json!({ "client": [] }), json!({})]).collect();
        let refused = "RFC 6749 §5.2: `error` and `error_description`, with the members of a problem.";
        let schema = json!({ "schema": { "$ref": "#/components/schemas/OAuthError" } });
        let problem = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
        let content = json!({ "application/json": schema, "application/problem+json": problem });
        self = self.answer(400, refused, &[], Some(content.clone()));
        for status in [401, 403] {
            self = self.answer(status, refused, &["WWW-Authenticate"], Some(content.clone()));
        }
        self.refuses(&[429])
    }

    pub fn takes_form<T: ToSchema>(mut self) -> Self {
        let form = json!({ "application/x-www-form-urlencoded": { "schema": self.refer::<T>() } });
        // Unknown parameters are ignored, and none can be repeated (RFC 6749 §3.2), so there are no lists.
        if let Some((_, schema)) = self.schemas.last_mut() {
            schema["additionalProperties"] = json!({ "type": "string" });
        }
        self.body = Some(json!({ "required": true, "content": form }));
        self.refuses(&[408, 413])
    }

    pub fn takes<T: ToSchema>(self) -> Self {
        self.body::<T>(true)
    }

    pub fn may_take<T: ToSchema>(self) -> Self {
        self.body::<T>(false)
    }

    fn body<T: ToSchema>(mut self, required: bool) -> Self {
        let schema = self.refer::<T>();
        self.body = Some(json!({ "required": required, "content": { "application/json": { "schema": schema } } }));
        self.refuses(&[408, 413, 415, 422])
    }

    pub fn query(self, name: &'static str, schema: impl Into<Schema>, description: &str) -> Self {
        self.parameter("query", name, schema, description).refuses(&[422])
    }

    /// The operation returns one page of a list.
    pub fn paged(self) -> Self {
        self.query("limit", super::field::count(1, 100), "Rows per page. Default: 50.").query(
            "cursor",
            super::field::cursor(),
            "`next_cursor` of the previous page.",
        )
    }

    /// The operation returns one page of a list that can be turned in both directions.
    pub fn turned(self) -> Self {
        self.query("limit", super::field::count(1, 100), "Rows per page. Default: 50.").query(
            "cursor",
            super::field::list_cursor(),
            "`next_cursor` or `previous_cursor` of another page.",
        )
    }

    pub fn header(self, name: &'static str, schema: impl Into<Schema>, description: &str) -> Self {
        self.parameter("header", name, schema, description)
    }

    /// The change can be made conditional on the record's state.
    pub fn if_match(self) -> Self {
        let schema = super::field::any_text();
        self.header("If-Match", schema, "The `ETag` of the record that the change is based on.").refuses(&[412])
    }

    pub fn parameter(mut self, place: &str, name: &str, schema: impl Into<Schema>, description: &str) -> Self {
        self.parameters.push(parameter(place, name, schema, description));
        self
    }

    pub fn answers<T: ToSchema>(mut self, status: u16, description: &str, headers: &[&str]) -> Self {
        let content = json!({ "application/json": { "schema": self.refer::<T>() } });
        self.answer(status, description, headers, Some(content))
    }

    pub fn answers_empty(self, status: u16, description: &str, headers: &[&str]) -> Self {
        self.answer(status, description, headers, None)
    }

    /// Responds with the first of these media types, or another that the request's `Accept` prefers.
    pub fn answers_as(self, status: u16, description: &str, kinds: &[&str], schema: impl Into<Schema>) -> Self {
        let schema: Schema = schema.into();
        let content = kinds.iter().map(|kind| ((*kind).to_owned(), json!({ "schema": to_json(&schema) })));
        self.answer(status, description, &[], Some(content.collect()))
    }

    fn answer(mut self, status: u16, description: &str, headers: &[&str], content: Option<Value>) -> Self {
        let named = headers.iter().chain(&["X-Request-Id", "Cache-Control"]);
        let headers: BTreeMap<&str, Value> =
            named.map(|name| (*name, json!({ "$ref": format!("#/components/headers/{name}") }))).collect();
        let mut answer = json!({ "description": description, "headers": headers });
        if let Some(content) = content {
            answer["content"] = content;
        }
        self.answers.insert(status, answer);
        self
    }

    /// These operations accept the ID in this response's body.
    pub fn leads_to(mut self, status: u16, operations: &[&str]) -> Self {
        if let Some(answer) = self.answers.get_mut(&status) {
            for operation in operations {
                answer["links"][*operation] =
                    json!({ "operationId": operation, "parameters": { "id": "$response.body#/id" } });
            }
        }
        self
    }

    /// Adds error responses by status.
    pub fn refuses(mut self, statuses: &[u16]) -> Self {
        for status in statuses {
            let shared = json!({ "$ref": format!("#/components/responses/{status}") });
            self.answers.entry(*status).or_insert(shared);
        }
        self
    }

    fn refer<T: ToSchema>(&mut self) -> Value {
        let mut inner = Vec::new();
        T::schemas(&mut inner);
        inner.push((T::name().into_owned(), T::schema()));
        self.schemas.extend(inner.iter().map(|(name, schema)| (name.clone(), to_json(schema))));
        to_json(&RefOr::<Schema>::Ref(utoipa::openapi::Ref::from_schema_name(T::name())))
    }

    pub fn json(&self) -> Value {
        let answers: BTreeMap<String, &Value> =
            self.answers.iter().map(|(status, answer)| (status.to_string(), answer)).collect();
        let mut json = json!({
            "operationId": self.id,
            "tags": [self.group],
            "summary": self.summary,
            "security": self.security,
            "responses": answers,
        });
        if !self.description.is_empty() {
            json["description"] = self.description.clone().into();
        }
        if !self.parameters.is_empty() {
            json["parameters"] = self.parameters.clone().into();
        }
        if let Some(body) = &self.body {
            json["requestBody"] = body.clone();
        }
        json
    }
}

fn parameter(place: &str, name: &str, schema: impl Into<Schema>, description: &str) -> Value {
    let schema: Schema = schema.into();
    json!({
        "name": name,
        "in": place,
        "required": place == "path",
        "description": description,
        "schema": to_json(&schema),
    })
}

pub fn to_json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("a schema has string keys and plain values")
}
