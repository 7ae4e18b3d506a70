//! A typed value as the document that it serialises to.
//!
//! What `serde_json` would make of it, made in one go: a change of a task serialises the whole of it. Whole doubles are
//! spelled without a fraction, as every other writer of these files does. Keys are strings, as those of all types of the
//! board are; a document itself is no typed value.

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Error;

use super::document::Json;
use crate::model::id::SAFE_INTEGER;
use crate::model::ordered::{IndexMap, with_capacity};

/// Returns the document that a typed value serialises to.
pub fn typed<T: Serialize + ?Sized>(value: &T) -> Json {
    value.serialize(ToJson).expect("board types serialise to JSON objects with string keys")
}

struct ToJson;

/// Items of an array, and whose they are where that is a variant.
struct Items {
    items: Vec<Json>,
    of: Option<&'static str>,
}

/// Members of an object, the key of the one that comes, and whose they are where that is a variant.
struct Members {
    members: IndexMap<String, Json>,
    key: Option<String>,
    of: Option<&'static str>,
}

fn number(spelled: String) -> Json {
    Json::Number(spelled.into())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "the range is checked first")]
fn double(double: f64) -> Json {
    if double.fract() == 0.0 && double.abs() <= SAFE_INTEGER as f64 {
        return number((double as i64).to_string());
    }
    serde_json::Number::from_f64(double).map_or(Json::Null, |exact| number(exact.to_string()))
}

fn variant(of: Option<&'static str>, value: Json) -> Json {
    match of {
        Some(name) => Json::Object(IndexMap::from_iter([(name.to_owned(), value)])),
        None => value,
    }
}

impl Items {
    fn new(len: Option<usize>, of: Option<&'static str>) -> Self {
        Self { items: Vec::with_capacity(len.unwrap_or_default()), of }
    }

    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
        self.items.push(item.serialize(ToJson)?);
        Ok(())
    }

    fn done(self) -> Json {
        variant(self.of, Json::Array(self.items))
    }
}

impl Members {
    fn new(len: Option<usize>, of: Option<&'static str>) -> Self {
        Self { members: with_capacity(len.unwrap_or_default()), key: None, of }
    }

    fn insert<T: Serialize + ?Sized>(&mut self, key: impl Into<String>, value: &T) -> Result<(), Error> {
        self.members.insert(key.into(), value.serialize(ToJson)?);
        Ok(())
    }

    fn done(self) -> Json {
        variant(self.of, Json::Object(self.members))
    }
}

macro_rules! numbers {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(self, v: $type) -> Result<Json, Error> {
            Ok(number(v.to_string()))
        })*
    };
}

impl Serializer for ToJson {
    type Ok = Json;
    type Error = Error;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Members;
    type SerializeStruct = Members;
    type SerializeStructVariant = Members;

    numbers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_u8: u8);
    numbers!(serialize_u16: u16, serialize_u32: u32, serialize_u64: u64);

    fn serialize_bool(self, v: bool) -> Result<Json, Error> {
        Ok(Json::Bool(v))
    }
    fn serialize_f32(self, v: f32) -> Result<Json, Error> {
        Ok(double(f64::from(v)))
    }
    fn serialize_f64(self, v: f64) -> Result<Json, Error> {
        Ok(double(v))
    }
    fn serialize_char(self, v: char) -> Result<Json, Error> {
        Ok(Json::String(v.to_string()))
    }
    fn serialize_str(self, v: &str) -> Result<Json, Error> {
        Ok(Json::String(v.to_owned()))
    }
    fn serialize_bytes(self, v: &[u8]) -> Result<Json, Error> {
        Ok(Json::Array(v.iter().map(|byte| number(byte.to_string())).collect()))
    }
    fn serialize_none(self) -> Result<Json, Error> {
        Ok(Json::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Json, Error> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Json, Error> {
        Ok(Json::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Json, Error> {
        Ok(Json::Null)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<Json, Error> {
        self.serialize_str(name)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Json, Error> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<Json, Error> {
        Ok(variant(Some(name), value.serialize(self)?))
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<Items, Error> {
        Ok(Items::new(len, None))
    }
    fn serialize_tuple(self, len: usize) -> Result<Items, Error> {
        Ok(Items::new(Some(len), None))
    }
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Items, Error> {
        Ok(Items::new(Some(len), None))
    }
    fn serialize_tuple_variant(self, _: &str, _: u32, name: &'static str, len: usize) -> Result<Items, Error> {
        Ok(Items::new(Some(len), Some(name)))
    }
    fn serialize_map(self, len: Option<usize>) -> Result<Members, Error> {
        Ok(Members::new(len, None))
    }
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Members, Error> {
        Ok(Members::new(Some(len), None))
    }
    fn serialize_struct_variant(self, _: &str, _: u32, name: &'static str, len: usize) -> Result<Members, Error> {
        Ok(Members::new(Some(len), Some(name)))
    }
}

macro_rules! items {
    ($($name:ident: $method:ident),*) => {
        $(impl $name for Items {
            type Ok = Json;
            type Error = Error;
            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
                self.push(item)
            }
            fn end(self) -> Result<Json, Error> {
                Ok(self.done())
            }
        })*
    };
}
items!(SerializeSeq: serialize_element, SerializeTuple: serialize_element);
items!(SerializeTupleStruct: serialize_field, SerializeTupleVariant: serialize_field);

macro_rules! members {
    ($($name:ident),*) => {
        $(impl $name for Members {
            type Ok = Json;
            type Error = Error;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
                self.insert(key, value)
            }
            fn end(self) -> Result<Json, Error> {
                Ok(self.done())
            }
        })*
    };
}
members!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Members {
    type Ok = Json;
    type Error = Error;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let Json::String(key) = key.serialize(ToJson)? else { return Err(Error::custom("a key is a string")) };
        self.key = Some(key);
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = self.key.take().ok_or_else(|| Error::custom("a value has a key"))?;
        self.insert(key, value)
    }
    fn end(self) -> Result<Json, Error> {
        Ok(self.done())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Serialize;
    use serde_json::{Value, json};

    /// Values of every sort that serde knows.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct All {
        small: (i8, u16, f32),
        letter: char,
        unit: (),
        none: Option<u8>,
        some: Option<&'static str>,
        variants: Vec<Sort>,
        keys: std::collections::BTreeMap<Name, u64>,
        #[serde(flatten)]
        rest: IndexMap<String, Value>,
    }

    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
    struct Name(&'static str);

    #[derive(Serialize)]
    enum Sort {
        Unit,
        New(i64),
        Tuple(bool, u32),
        Struct { a: Pair },
    }

    #[derive(Serialize)]
    struct Pair(i16, i32);

    #[test]
    fn every_sort_of_value_is_what_serde_json_makes_of_it() {
        let variants = vec![Sort::Unit, Sort::New(i64::MIN), Sort::Tuple(true, 7), Sort::Struct { a: Pair(-1, 2) }];
        let rest = [("x".to_owned(), json!({"deep": [1.5, null]}))].into_iter().collect();
        let keys = [(Name("a"), u64::MAX), (Name("b"), 0)].into();
        let all =
            All { small: (-1, 2, 0.5), letter: 'ü', unit: (), none: None, some: Some("s"), variants, keys, rest };
        assert_eq!(typed(&all), Json::from(serde_json::to_value(&all).expect("it serialises")));
        assert_eq!(write(&typed(&[2.0, -0.0, 1e300, 0.1, f64::NAN])), "[2,0,1e+300,0.1,null]");
    }

    fn write(document: &Json) -> String {
        crate::schema::canonical::write_line(document)
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "\\PC{0,6}".prop_map(Value::from),
            (-1e6..1e6_f64).prop_filter("a fraction stays", |n| n.fract() != 0.0).prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("[a-d]{0,2}", inner), 0..5).prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_is_the_document_that_it_is(value in any_value()) {
            let document = typed(&value);
            prop_assert_eq!(write(&document), value.to_string());
            prop_assert_eq!(document, Json::from(value));
        }
    }
}
