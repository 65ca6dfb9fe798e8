//! JSON values into Rust's types in the way of Go's `encoding/json`, which Docker and containerd
//! read images with: a key counts as a field's name whatever its capital letters, unless a key is
//! there that is the name itself. Faults say where they are, and what should be there.

use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};
use std::fmt;

/// The most characters of a value in a message.
const MAX_SHOWN: usize = 60;

/// Reads a value as a `T`.
///
/// # Errors
/// [`Fault`].
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    T::deserialize(Reader(value))
}

/// A key without what Go does not tell apart in it.
pub fn fold(key: &str) -> String {
    let fold = |c| match c {
        // The two other characters whose small or capital letter is an ASCII one.
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).collect()
}

/// What is wrong with a value, and where.
#[derive(Debug)]
pub struct Fault {
    /// The way to the value, from its end.
    path: Vec<Step>,
    what: What,
}

#[derive(Debug)]
enum Step {
    Key(String),
    Index(usize),
}

#[derive(Debug)]
enum What {
    /// It should be something else.
    Not { wanted: String, found: String },
    /// It lacks a key.
    Lacks(&'static str),
    /// Something else.
    Other(String),
}

impl Fault {
    fn below(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.path.iter().rev().enumerate() {
            match step {
                Step::Key(key) if number == 0 => write!(f, "{}", key.escape_debug())?,
                Step::Key(key) => write!(f, ".{}", key.escape_debug())?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        let subject = if self.path.is_empty() { "it" } else { "" };
        match &self.what {
            What::Not { wanted, found } => write!(f, "{subject} must be {wanted}, not {found}"),
            What::Lacks(key) => write!(f, "{subject} has no {key:?}"),
            What::Other(text) if self.path.is_empty() => f.write_str(text),
            What::Other(text) => write!(f, ": {text}"),
        }
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self { path: Vec::new(), what: What::Other(text.to_string()) }
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let what = What::Not { wanted: plain(wanted), found: shown(found) };
        Self { path: Vec::new(), what }
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::invalid_type(found, wanted)
    }

    fn missing_field(field: &'static str) -> Self {
        Self { path: Vec::new(), what: What::Lacks(field) }
    }
}

/// What is wanted, in the words of JSON instead of serde's.
fn plain(wanted: &dyn Expected) -> String {
    match wanted.to_string().as_str() {
        "a sequence" => "a list".into(),
        "a map" => "an object".into(),
        "u64" => "a whole number".into(),
        text if text.starts_with("struct ") => "an object".into(),
        text => text.to_owned(),
    }
}

fn shown(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Str(text) => {
            format!("the string {:?}", text.chars().take(MAX_SHOWN).collect::<String>())
        }
        Unexpected::Unit => "null".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "an object".into(),
        other => other.to_string(),
    }
}

struct Reader(Value);

impl Reader {
    fn unexpected(&self) -> Unexpected<'_> {
        match &self.0 {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => Unexpected::Unsigned(number),
                (None, Some(number)) => Unexpected::Signed(number),
                _ => Unexpected::Float(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => Unexpected::Str(text),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        }
    }
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                _ => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(list) => visitor.visit_seq(List { rest: list.into_iter(), next: 0 }),
            Value::Object(map) => visitor.visit_map(Object::new(map.into_iter().collect())),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Object(map) => visitor.visit_map(Object::new(as_fields(map, fields))),
            _ => Err(Fault::invalid_type(self.unexpected(), &visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier
    }
}

/// What an object has, each key with the name of the field that it is, if it is one, in front.
fn as_fields(map: Map<String, Value>, fields: &[&'static str]) -> Vec<(String, Value)> {
    let is_there: Vec<bool> = fields.iter().map(|field| map.contains_key(*field)).collect();
    let field = |key: &str| {
        let folded = fold(key);
        let alike = |(field, is_there): &(&&str, &bool)| !**is_there && fold(field) == folded;
        fields.iter().zip(&is_there).find(alike).map(|(field, _)| (*field).to_owned())
    };
    map.into_iter().map(|(key, value)| (field(&key).unwrap_or(key), value)).collect()
}

struct List {
    rest: std::vec::IntoIter<Value>,
    next: usize,
}

impl<'de> SeqAccess<'de> for List {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some(value) = self.rest.next() else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        let read = seed.deserialize(Reader(value));
        read.map(Some).map_err(|fault| fault.below(Step::Index(index)))
    }
}

struct Object {
    rest: std::vec::IntoIter<(String, Value)>,
    /// The key that was read, and its value, which was not.
    current: Option<(String, Value)>,
}

impl Object {
    fn new(entries: Vec<(String, Value)>) -> Self {
        Self { rest: entries.into_iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for Object {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        self.current = self.rest.next();
        let Some((key, _)) = &self.current else { return Ok(None) };
        let key: StringDeserializer<Fault> = key.clone().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (key, value) = self.current.take().expect("a value follows its key");
        seed.deserialize(Reader(value)).map_err(|fault| fault.below(Step::Key(key)))
    }
}
