//! Schemas of single values: the rules of `model` in JSON Schema. schemathesis checks that the two agree.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, Array, ArrayBuilder, Object, ObjectBuilder, Schema, SchemaFormat, Type,
};

use utoipa::{PartialSchema, ToSchema};

use crate::model::{Email, KeyName, KeyPrefix, ListCursor, Networks, Password, Scope, ScopeSet, key_settings};

/// Defines a named schema, so that a field can refer to it and still have its own description.
macro_rules! named {
    ($($name:ident = $function:ident;)*) => {$(
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                Schema::from($function()).into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

named! {
    Id = id;
    Moment = time;
    Name = key_name;
    Description = description;
    Prefix = prefix;
    EmailAddress = email;
    NewPassword = password;
    Scopes = grants;
    Needs = needs;
    Address = address;
    Ranges = ranges;
    Span = span;
    Overlap = overlap;
    Expiry = expiry;
    Metadata = metadata;
    Role = role;
}

/// Control characters and marks that change the writing direction.
macro_rules! deceptive {
    () => {
        r"\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    };
}

const V4: &str = r"((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const V6_RANGE: &str = r"^([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$|^([0-9a-f]{1,4}:){0,6}:/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$";

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn list(items: impl Into<RefOr<Schema>>, most: usize) -> Array {
    ArrayBuilder::new().items(items.into()).max_items(Some(most)).build()
}

pub fn id() -> Object {
    let lower_case = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
    text().format(Some(SchemaFormat::Custom("uuid".to_owned()))).pattern(Some(lower_case)).build()
}

pub fn time() -> Object {
    text().format(Some(SchemaFormat::Custom("date-time".to_owned()))).build()
}

fn key_name() -> Object {
    let pattern = concat!("^[^", deceptive!(), "]*[^\\s", deceptive!(), "][^", deceptive!(), "]*$");
    text().min_length(Some(1)).max_length(Some(KeyName::MAX)).pattern(Some(pattern)).build()
}

fn description() -> Object {
    let pattern = concat!("^([^", deceptive!(), "]|[\\r\\n])*$");
    text().max_length(Some(key_settings::Description::MAX)).pattern(Some(pattern)).build()
}

pub fn prefix() -> Object {
    text().max_length(Some(KeyPrefix::MAX)).pattern(Some("^[a-z][a-z0-9]*(_[a-z0-9]+)*$")).build()
}

fn email() -> Object {
    text().format(Some(SchemaFormat::Custom("email".to_owned()))).max_length(Some(Email::MAX)).build()
}

fn password() -> Object {
    let format = SchemaFormat::Custom("password".to_owned());
    text().format(Some(format)).min_length(Some(Password::MIN)).max_length(Some(Password::MAX)).build()
}

pub fn any_text() -> Object {
    text().build()
}

/// A scope that can end in `*`.
pub fn grant() -> Object {
    let pattern = r"^([A-Za-z0-9][A-Za-z0-9._:/-]{0,63}|[A-Za-z0-9][A-Za-z0-9._:/-]{0,62}\*|\*)$";
    text().max_length(Some(Scope::MAX)).pattern(Some(pattern)).build()
}

fn grants() -> Array {
    list(grant(), ScopeSet::MAX)
}

/// Scopes without `*`.
fn needs() -> Array {
    let need = text().max_length(Some(Scope::MAX)).pattern(Some(r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$"));
    list(need.build(), ScopeSet::MAX)
}

fn address() -> Schema {
    let known = |format: &str| text().format(Some(SchemaFormat::Custom(format.to_owned()))).build();
    AnyOfBuilder::new().item(known("ipv4")).item(known("ipv6")).build().into()
}

/// An address in a form; an empty value means the same as an absent field.
pub fn address_or_empty() -> Schema {
    AnyOfBuilder::new().item(address()).item(one_of([""])).build().into()
}

/// Address ranges (CIDR) or single addresses.
fn ranges() -> Array {
    let v4 = format!("^{V4}(/(3[0-2]|[12]?[0-9]))?$");
    let v6 = SchemaFormat::Custom("ipv6".to_owned());
    let range = AnyOfBuilder::new()
        .item(text().pattern(Some(v4)).build())
        .item(text().format(Some(v6)).build())
        .item(text().pattern(Some(V6_RANGE)).build())
        .build();
    list(Schema::from(range), Networks::MAX)
}

/// A duration: `90d`, `12h`, `15m`, `30s`.
pub fn span() -> Object {
    text().pattern(Some("^[1-9][0-9]{0,3}[smhd]$")).build()
}

/// A duration of max 90 days.
fn overlap() -> Object {
    let hours = "[1-9][0-9]{0,2}|1[0-9]{3}|20[0-9]{2}|21[0-5][0-9]|2160";
    let days = "[1-9]|[1-8][0-9]|90";
    text().pattern(Some(format!("^(0|[1-9][0-9]{{0,3}}[sm]|({hours})h|({days})d)$"))).build()
}

/// `90d`, `never` or a time.
fn expiry() -> Schema {
    let never = text().enum_values(Some(["never"])).build();
    AnyOfBuilder::new().item(span()).item(never).item(time()).build().into()
}

fn metadata() -> Object {
    let description =
        format!("Max {} bytes as compact JSON and 32 levels deep; stored as sent.", crate::model::Metadata::MAX);
    ObjectBuilder::new()
        .description(Some(description))
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .build()
}

/// A cursor; empty for the first page.
pub fn cursor() -> Object {
    text().pattern(Some("^([A-Za-z0-9_-]{21}[AQgw])?$")).build()
}

/// A cursor of a list that can be turned in both directions; empty for the first page.
pub fn list_cursor() -> Object {
    text().max_length(Some(ListCursor::MAX)).pattern(Some("^[A-Za-z0-9_-]*$")).build()
}

pub fn role() -> Object {
    text().enum_values(Some(["member", "admin"])).build()
}

pub fn truth() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).build()
}

pub fn count(least: usize, most: usize) -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(Some(most)).build()
}

pub fn search() -> Object {
    text().max_length(Some(200)).build()
}

pub fn one_of(values: impl IntoIterator<Item = &'static str>) -> Object {
    text().enum_values(Some(values)).build()
}
