//! Truth files: what a fixture must become, a JSON object on each line.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::row::{Row, Rows};

/// Reads a truth file.
pub fn read(path: &Path) -> Rows {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line).unwrap();
            (unescape(value["path"].as_str().unwrap()), parse_row(&value))
        })
        .collect()
}

fn parse_row(value: &Value) -> Row {
    let number = |key: &str| value[key].as_i64().unwrap();
    let text = |key: &str| value.get(key).map(|text| text.as_str().unwrap());
    let device = |index: usize| value["dev"][index].as_u64().unwrap() as u32;
    let xattrs = value.get("xattrs").and_then(Value::as_object).into_iter().flatten();
    Row {
        kind: text("type").unwrap().to_owned(),
        mode: u32::from_str_radix(text("mode").unwrap(), 8).unwrap(),
        uid: number("uid") as u32,
        gid: number("gid") as u32,
        mtime: (number("mtime"), number("ns") as u32),
        content: text("sha256").map(|hash| (number("size") as u64, hash.to_owned())),
        link: text("link").map(unescape),
        device: value.get("dev").map(|_| (device(0), device(1))),
        names: value.get("nlink").map(|count| count.as_u64().unwrap() as u32),
        same_as: text("same_as").map(unescape),
        xattrs: xattrs
            .map(|(name, value)| {
                let value = STANDARD.decode(value.as_str().unwrap()).unwrap();
                (name.clone().into_bytes(), value)
            })
            .collect(),
    }
}

/// Undoes the %xx of truth files.
fn unescape(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(&part.as_bytes()[2..]);
    }
    bytes
}
