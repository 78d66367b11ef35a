//! Reads request bodies with a maximum size, a deadline and the right media type, and parses them strictly.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::problem::Problem;

pub const MAX_BYTES: usize = 64 * 1024;
const DEADLINE: Duration = Duration::from_secs(30);

/// A whole body. It can contain keys and passwords, so it is wiped when it is dropped.
pub type Body = Zeroizing<Vec<u8>>;

/// Reads the whole body: max [`MAX_BYTES`] bytes, within 30 seconds.
pub async fn read(request: &HttpRequest, payload: &mut Payload) -> Result<Body, Problem> {
    read_up_to(MAX_BYTES, request, payload).await
}

/// Reads a whole body of another size.
pub async fn read_up_to(most: usize, request: &HttpRequest, payload: &mut Payload) -> Result<Body, Problem> {
    if request.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding.as_bytes() != b"identity") {
        let detail = "Send the body uncompressed, without Content-Encoding.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    let too_large = || match most {
        MAX_BYTES => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "A body must not exceed 65,536 bytes."),
        most => {
            let detail = format!("This must not exceed {} KiB. Send it in parts.", most / 1024);
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
        }
    };
    let announced =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(too_large());
    }
    // The full capacity is reserved, so that the body never moves and leaves no copy behind.
    let mut body = Body::new(Vec::with_capacity(announced.unwrap_or(most)));
    let read = async {
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| {
                Problem::new(StatusCode::BAD_REQUEST, "invalid_body", "The body is incomplete or malformed.")
            })?;
            if body.len() + chunk.len() > most {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(())
    };
    match tokio::time::timeout(DEADLINE, read).await {
        Ok(result) => result?,
        Err(_) => {
            return Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                "The body did not arrive within 30 seconds. Send it again.",
            ));
        }
    }
    Ok(body)
}

/// Maximum number of fields in a form or a query; the longest form of the dashboard has about sixty.
pub const MAX_FIELDS: usize = 100;

/// The fields of a form or a query. They are counted before any is parsed.
pub fn fields(text: &[u8]) -> Result<form_urlencoded::Parse<'_>, Problem> {
    fields_up_to(MAX_FIELDS, text)
}

/// The fields of a form with more of them.
pub fn fields_up_to(most: usize, text: &[u8]) -> Result<form_urlencoded::Parse<'_>, Problem> {
    let ends = text.iter().filter(|byte| **byte == b'&').count();
    if ends >= most {
        let detail = format!("A form or a query must not have more than {most} fields. Send fewer.");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", detail));
    }
    Ok(form_urlencoded::parse(text))
}

/// The media type in lower case, without parameters. `None` if there are two, because a proxy may have read the other.
pub fn media_type(request: &HttpRequest) -> Option<Cow<'_, str>> {
    let mut values = request.headers().get_all(header::CONTENT_TYPE);
    let value = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
    let bare = value.split_once(';').map_or(value, |(bare, _)| bare).trim();
    let is_lower_case = !bare.bytes().any(|byte| byte.is_ascii_uppercase());
    Some(if is_lower_case { Cow::Borrowed(bare) } else { Cow::Owned(bare.to_ascii_lowercase()) })
}

/// A JSON body: `application/json`, one value, no unknown or repeated fields.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move { json(&request, &mut payload, || None).await.map(|(value, _)| Json(value)) })
    }
}

/// A JSON body like [`Json`], or no body.
pub struct MaybeJson<T>(pub T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for MaybeJson<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let value = json(&request, &mut payload, || Some(T::default())).await;
            value.map(|(value, _)| MaybeJson(value))
        })
    }
}

/// The value and the bytes from which it was parsed. `if_empty` is the value of an absent body.
pub async fn json<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: &mut Payload,
    if_empty: impl Fn() -> Option<T>,
) -> Result<(T, Body), Problem> {
    json_up_to(MAX_BYTES, request, payload, if_empty).await
}

/// The same for a body of another size.
pub async fn json_up_to<T: DeserializeOwned>(
    most: usize,
    request: &HttpRequest,
    payload: &mut Payload,
    if_empty: impl Fn() -> Option<T>,
) -> Result<(T, Body), Problem> {
    if let Some(value) = if_empty() {
        let body = read_up_to(most, request, payload).await?;
        if body.is_empty() {
            return Ok((value, body));
        }
        must_be_json(request)?;
        return parse(&body).map(|value| (value, body));
    }
    must_be_json(request)?;
    let body = read_up_to(most, request, payload).await?;
    parse(&body).map(|value| (value, body))
}

pub fn must_be_json(request: &HttpRequest) -> Result<(), Problem> {
    if media_type(request).as_deref() != Some("application/json") {
        let detail = "Send JSON, with Content-Type: application/json.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    Ok(())
}

/// A syntax error is 400. An unknown, repeated, missing or mistyped field is 422, and the response names it.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = T::deserialize(&mut reader).or_else(|_| parse_with_paths(body))?;
    reader.end().map_err(|error| misfit("", &error))?;
    // serde would accept a list of values as an object's fields in order.
    match body.trim_ascii_start().first() {
        Some(b'{') => Ok(value),
        _ => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", "The body must be a JSON object.")),
    }
}

/// Parses again, for the message about a wrong field. Keeping track of the path costs as much as the parsing itself.
fn parse_with_paths<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        misfit(&path, error.inner())
    })
}

/// serde_json quotes its input, which can contain keys, so only the position is reported.
fn misfit(path: &str, error: &serde_json::Error) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    if error.classify() != serde_json::error::Category::Data {
        let detail = format!("The body is not valid JSON at {place}.");
        return Problem::new(StatusCode::BAD_REQUEST, "invalid_json", detail);
    }
    let message = error.to_string();
    let (shape, named) = shape_of(&message);
    let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
    let field = match (named, parent) {
        // The path of an unknown or repeated field ends in its name; that of a missing field does not.
        (Some(name), _) if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        (Some(name), _) if path == "." || path.is_empty() => name,
        (Some(name), "") => format!("{path}.{name}"),
        (Some(name), parent) => format!("{parent}.{name}"),
        (None, _) => path.to_owned(),
    };
    let field = field.chars().take(200).collect::<String>();
    Problem {
        field: Some(field.into()).filter(|field: &std::borrow::Cow<'_, str>| field != "."),
        ..Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_field",
            format!("The body is not as expected at {place}: {shape}"),
        )
    }
}

/// What is wrong, without any value, and the field that the message names. `unknown field`, `missing field` and
/// `duplicate field` contain only field names; "invalid type" and "invalid value" repeat input.
fn shape_of(message: &str) -> (String, Option<String>) {
    let names_fields =
        ["unknown field", "missing field", "duplicate field"].iter().any(|start| message.starts_with(start));
    match message.split(" at line").next() {
        Some(text) if names_fields => {
            let named = text.split('`').nth(1).map(str::to_owned);
            (format!("{}.", text.chars().take(200).collect::<String>()), named)
        }
        // From `json_value::List`.
        Some(text) if text.starts_with("a list must not have more than") => (format!("{text}."), None),
        _ => ("a field has the wrong type.".to_owned(), None),
    }
}

/// A string in a JSON body that can be a key or a password. It is wiped when it is dropped, and never shown.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> serde::Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| SecretText(Zeroizing::new(text)))
    }
}
