//! JSON that every reader understands in the same way, and as Docker does ([`read`]).
//!
//! Of two keys of one name some readers take the first and others the last, and Go's also takes
//! `Layers` for `layers`. Who checks an image and who runs it would then see two images in the same
//! bytes, so such documents are refused, as archives with two members of one name are.

mod read;

use read::fold;
use serde::de::{Deserialize, DeserializeOwned, DeserializeSeed, Deserializer};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Keys, in lower case, that decide what an image is or runs.
const DECIDING: [&str; 20] = [
    "architecture",
    "cmd",
    "config",
    "data",
    "diff_ids",
    "digest",
    "entrypoint",
    "env",
    "layers",
    "manifests",
    "mediatype",
    "os",
    "platform",
    "repotags",
    "rootfs",
    "size",
    "user",
    "variant",
    "volumes",
    "workingdir",
];

/// Objects whose keys anybody may choose.
const FREE: [&str; 4] = ["annotations", "ExposedPorts", "Labels", "Volumes"];

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not the JSON it should be.
    #[error("is malformed: {0}")]
    Malformed(String),
    /// Two keys of one name.
    #[error(
        "has the key {key:?} twice{}: refused, as two programs could read it in two ways",
        place(.at)
    )]
    Duplicate {
        /// The second of the keys.
        key: String,
        /// Where it is, for example `layers[0].digest`; empty at the top.
        at: String,
    },
}

fn place(at: &str) -> String {
    if at.is_empty() { String::new() } else { format!(" in {at}") }
}

/// Reads a document whose keys are all different.
///
/// # Errors
/// [`JsonError`].
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    let malformed = |error: &dyn fmt::Display| JsonError::Malformed(error.to_string());
    let mut duplicate = None;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let walk = Walk { at: Path::Top, duplicate: &mut duplicate };
    let walked = walk.deserialize(&mut reader).and_then(|()| reader.end());
    match (duplicate, walked) {
        (Some(duplicate), _) => Err(duplicate),
        (None, Err(error)) => Err(malformed(&error)),
        (None, Ok(())) => {
            let value = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
            read::read(value).map_err(|fault| malformed(&fault))
        }
    }
}

/// The way to a value.
#[derive(Clone, Copy)]
enum Path<'a> {
    Top,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    /// Whether anybody may choose the keys of the object here.
    fn is_free(self) -> bool {
        matches!(self, Self::Key(_, key) if FREE.iter().any(|free| fold(free) == fold(key)))
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Key(Path::Top, key) => write!(f, "{}", key.escape_debug()),
            Self::Key(parent, key) => write!(f, "{parent}.{}", key.escape_debug()),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Goes over one value, and ends at the first key that its object has twice.
struct Walk<'a> {
    at: Path<'a>,
    duplicate: &'a mut Option<JsonError>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(distinct(&key, self.at)) {
                let at = self.at.to_string();
                *self.duplicate = Some(JsonError::Duplicate { key, at });
                return Err(A::Error::custom("a key is there twice"));
            }
            let at = Path::Key(&self.at, &key);
            map.next_value_seed(Walk { at, duplicate: &mut *self.duplicate })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for index in 0.. {
            let at = Path::Index(&self.at, index);
            let walk = Walk { at, duplicate: &mut *self.duplicate };
            if list.next_element_seed(walk)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// What must differ between two keys of the object at `at`.
fn distinct(key: &str, at: Path<'_>) -> String {
    let folded = fold(key);
    let deciding = !at.is_free() && DECIDING.contains(&folded.as_str());
    if deciding { folded } else { key.to_owned() }
}

/// Go writes `null` for empty lists, maps and strings: take it for the default.
pub(super) fn null_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn read(text: &str) -> Result<Value, String> {
        parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn two_keys_of_one_name_are_refused_wherever_they_are() {
        for (text, words) in [
            (r#"{"a":1,"a":1}"#, r#"has the key "a" twice: refused"#),
            (r#"{"a":{"b":null,"c":[],"b":{}}}"#, r#"the key "b" twice in a:"#),
            (r#"[{"l":[0,{"d":"x","\u0064":"y"}]}]"#, r#"the key "d" twice in [0].l[1]:"#),
            (r#"{"Labels":{"x":"1","x":"2"}}"#, r#"the key "x" twice in Labels:"#),
            (r#"{"a\nb":{"\n":1,"\n":1}}"#, r#"the key "\n" twice in a\nb:"#),
            (r#"{"layers":[],"Layers":[]}"#, r#"the key "Layers" twice:"#),
            (r#"{"annotations":{"a":{"OS":1,"os":2}}}"#, r#"the key "os" twice in annotations.a:"#),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words) && error.contains("two ways"), "{text}: {error}");
        }
    }

    #[test]
    fn keys_that_differ_are_read() {
        for text in [
            r#"{"a":1,"b":{"a":2},"c":[{"a":1},{"a":1}]}"#,
            // Only people choose labels, and Go's maps know small from capital letters.
            r#"{"Labels":{"User":"1","user":"2"},"annotations":{"OS":"1","os":"2"}}"#,
            r#"{"Other":1,"other":-1.5,"b":true,"s":"x"}"#,
        ] {
            assert_eq!(read(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        }
    }

    #[derive(Debug, PartialEq, Eq, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Sample {
        #[serde(default)]
        stop_signal: Option<String>,
        #[serde(default)]
        task: u64,
        #[serde(default)]
        labels: std::collections::BTreeMap<String, Option<String>>,
        #[serde(default)]
        more: Vec<Sample>,
        #[serde(default)]
        user: String,
    }

    #[test]
    fn capital_letters_of_keys_are_as_in_go() {
        let read = |text: &str| parse::<Sample>(text.as_bytes()).unwrap();
        let expected = read(r#"{"stopSignal":"9","task":1,"more":[{"user":"5"}],"user":"7"}"#);
        for text in [
            r#"{"StopSignal":"9","TASK":1,"More":[{"User":"5"}],"USER":"7"}"#,
            r#"{"stopsignal":"9","tas\u212a":1,"more":[{"u\u017fer":"5"}],"uSer":"7"}"#,
            // The name itself goes before what is like it, wherever it stands.
            r#"{"STOPSIGNAL":"1","stopSignal":"9","stopsignal":"2","task":1,"Task":2,
                "more":[{"user":"5"}],"user":"7"}"#,
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        // Names that people choose are as they stand.
        let labels = read(r#"{"Labels":{"User":"1","user":null}}"#).labels;
        assert_eq!(labels.keys().collect::<Vec<_>>(), ["User", "user"]);
    }

    #[test]
    fn faults_name_the_place_and_what_should_be_there() {
        for (text, expected) in [
            ("[]", "it must be an object, not a list"),
            (r#"{"more":{}}"#, "more must be a list, not an object"),
            (r#"{"more":[{},{"User":5}]}"#, "more[1].user must be a string, not the number 5"),
            (r#"{"task":-5}"#, "task must be a whole number, not the number -5"),
            (r#"{"task":"5"}"#, r#"task must be a whole number, not the string "5""#),
            (r#"{"more":[null]}"#, "more[0] must be an object, not null"),
            (r#"{"labels":{"a.b\n":1}}"#, "labels.a.b\\n must be a string, not the number 1"),
            (r#"{"labels":[true]}"#, "labels must be an object, not a list"),
            (r#"{"user":true}"#, "user must be a string, not true"),
        ] {
            let error = parse::<Sample>(text.as_bytes()).unwrap_err().to_string();
            assert_eq!(error, format!("is malformed: {expected}"), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        for text in ["", "{", r#"{"a":1}x"#, r#"{"a":1"#, &"[".repeat(100_000)] {
            assert!(read(text).unwrap_err().starts_with("is malformed"), "{text:.20}");
        }
    }
}
