//! The order in which a config's type declares its keys, for forms: JSON objects have none of their own.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::Value;

use super::defaults::reference;

/// Writes into each record of a schema the order of its keys, as `x-order`. Records that are null by default have none.
pub(crate) fn arrange(schema: &mut Value, defaults: &impl Serialize) {
    // As text they are in order.
    let text = serde_json::to_string(defaults).unwrap_or_default();
    let Ok(Record(keys)) = serde_json::from_str(&text) else { return };
    let mut open = vec![(String::new(), keys)];
    while let Some((place, keys)) = open.pop() {
        let Some(Value::Object(record)) = schema.pointer_mut(&place) else { continue };
        record.insert("x-order".into(), keys.iter().map(|(key, _)| key.as_str()).collect());
        for (key, value) in keys {
            let Keys::Record(Record(inner)) = value else { continue };
            let property = format!("{place}/properties/{key}");
            let definition = schema.pointer(&property).and_then(Value::as_object).and_then(reference);
            open.push((definition.unwrap_or(property), inner));
        }
    }
}

/// The keys of a record in order, each with those of its value; none of what is no record.
#[derive(Deserialize)]
#[serde(untagged)]
enum Keys {
    Record(Record),
    Other(IgnoredAny),
}

struct Record(Vec<(String, Keys)>);

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let mut keys = Vec::new();
        while let Some(entry) = map.next_entry()? {
            keys.push(entry);
        }
        Ok(Record(keys))
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde_json::json;

    use super::*;
    use crate::config::{schema_of, unknown_keywords};

    #[derive(Default, Serialize, JsonSchema)]
    struct Whole {
        zebra: Part,
        names: Vec<String>,
        again: Part,
        #[serde(rename = "of")]
        plain: Option<f64>,
    }

    #[derive(Default, Serialize, JsonSchema)]
    struct Part {
        rate: f64,
        epochs: u32,
        on: bool,
        deep: i8,
    }

    #[test]
    fn keys_come_as_the_type_declares_them() {
        let mut schema = schema_of::<Whole>();
        arrange(&mut schema, &Whole { names: vec!["x".into()], ..Whole::default() });
        assert_eq!(schema["x-order"], json!(["zebra", "names", "again", "of"]));
        assert_eq!(schema["$defs"]["Part"]["x-order"], json!(["rate", "epochs", "on", "deep"]));
        assert_eq!(unknown_keywords(&schema), Vec::<String>::new());
    }
}
