//! The order in which a config's type declares its keys, for forms: JSON objects have none of their own.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

use super::defaults::reference;

/// Writes into each record of a schema the order of its keys, as `x-order`. Records that are null by default have none.
pub(crate) fn arrange(schema: &mut Value, defaults: &impl Serialize) {
    // As text they are in order.
    let text = serde_json::to_string(defaults).unwrap_or_default();
    let Ok(keys) = serde_json::from_str::<Keys>(&text) else { return };
    let mut open = vec![(String::new(), keys.0)];
    while let Some((place, keys)) = open.pop() {
        let Some(Value::Object(record)) = schema.pointer_mut(&place) else { continue };
        record.insert("x-order".into(), keys.iter().map(|(key, _)| key.as_str()).collect());
        for (key, Keys(inner)) in keys.into_iter().filter(|(_, value)| !value.0.is_empty()) {
            let property = format!("{place}/properties/{key}");
            let definition = schema.pointer(&property).and_then(Value::as_object).and_then(reference);
            open.push((definition.unwrap_or(property), inner));
        }
    }
}

/// The keys of a record in order, each with those of its value; none of what is no record.
struct Keys(Vec<(String, Keys)>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Order)
    }
}

struct Order;

impl<'de> Visitor<'de> for Order {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Vec::new();
        while let Some(entry) = map.next_entry()? {
            keys.push(entry);
        }
        Ok(Keys(keys))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Keys, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Keys(Vec::new()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_str<E>(self, _: &str) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
    }

    fn visit_unit<E>(self) -> Result<Keys, E> {
        Ok(Keys(Vec::new()))
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
