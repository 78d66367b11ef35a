//! Parts of JSON bodies for which serde alone is too lenient: free-form objects (no repeated names, limited depth),
//! objects that must not be lists, and fields for which `null` differs from absence.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Maximum nesting depth of a body.
const MAX_DEPTH: u8 = 32;

/// For `#[serde(default, deserialize_with = "given")]`: an absent field is `None`, and the field's type decides
/// whether it accepts `null`.
pub fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A list of strings. Reading stops with an error as soon as the list is too long.
#[derive(Debug, Default)]
pub struct List<const MAX: usize>(pub Vec<String>);

impl<'de, const MAX: usize> Deserialize<'de> for List<MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Texts<const MAX: usize>;

        impl<'de, const MAX: usize> Visitor<'de> for Texts<MAX> {
            type Value = List<MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of strings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<MAX>, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    if texts.len() == MAX {
                        return Err(A::Error::custom(format_args!("a list must not have more than {MAX} members")));
                    }
                    texts.push(text);
                }
                Ok(List(texts))
            }
        }

        from.deserialize_seq(Texts)
    }
}

/// A JSON object with any content.
#[derive(Debug)]
struct Object(Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Strict(MAX_DEPTH).deserialize(from)? {
            Value::Object(map) => Ok(Object(map)),
            _ => Err(D::Error::custom("not an object")),
        }
    }
}

/// A `T` that must be an object, not a list of its fields' values.
#[derive(Debug)]
pub struct Fields<T>(pub T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Fields<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Object(map) = Object::deserialize(from)?;
        serde_json::from_value(Value::Object(map)).map(Fields).map_err(D::Error::custom)
    }
}

/// Any value of limited depth; the number is the levels that remain.
struct Strict(u8);

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl Strict {
    fn inner<E: serde::de::Error>(&self) -> Result<Strict, E> {
        self.0.checked_sub(1).map(Strict).ok_or_else(|| E::custom("nested too deep"))
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.inner()?)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            let value = object.next_value_seed(self.inner()?)?;
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom("a name is repeated"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_at_its_limit() {
        let read = |text: &str| serde_json::from_str::<List<2>>(text).map(|List(texts)| texts);
        assert_eq!(read(r#"["a","b"]"#).unwrap(), ["a", "b"]);
        assert!(
            read(r#"["a","b","c"]"#).unwrap_err().to_string().starts_with("a list must not have more than 2 members")
        );
        for bad in ["{}", "null", "\"a\"", "[1]", "[null]", "[[]]"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn free_form_objects_are_read_strictly() {
        let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let read = |text: &str| serde_json::from_str::<Object>(text);
        assert!(read(r#"{"a":[1,-1,1.5,"x",null,true,{}]}"#).is_ok());
        assert!(read(&nested(32)).is_ok());
        for bad in ["[]", "1", "null", r#"{"a":1,"a":1}"#, r#"{"b":{"a":1,"a":2}}"#, &nested(33), &nested(5000)] {
            assert!(read(bad).is_err(), "{bad:.40}");
        }
    }
}
