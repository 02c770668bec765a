//! The defaults of a whole config, which may differ from those of its parts.

use serde_json::{Map, Value};

/// A config with the defaults of the whole where it leaves something out. Records are filled in key by key; anything else that is given stands as it
/// is. (A choice between records of several kinds must therefore be null by default.)
pub(crate) fn filled(defaults: &Value, given: &Value) -> Value {
    let (Value::Object(defaults), Value::Object(given)) = (defaults, given) else { return given.clone() };
    let mut all = defaults.clone();
    for (key, value) in given {
        let value = defaults.get(key).map_or_else(|| value.clone(), |default| filled(default, value));
        all.insert(key.clone(), value);
    }
    all.into()
}

/// A config without what is at a place, for which a default can stand then. What is in a list goes with the list, so that nothing else moves.
pub(crate) fn without(mut config: Value, place: &str) -> Value {
    let (mut at, mut rest) = (&mut config, place);
    while let Some(steps) = rest.strip_prefix('/') {
        let (step, below) = steps.split_at(steps.find('/').unwrap_or(steps.len()));
        let key = step.replace("~1", "/").replace("~0", "~");
        let Value::Object(record) = at else { return config };
        if below.is_empty() || !record.get(&key).is_some_and(Value::is_object) {
            record.remove(&key);
            return config;
        }
        (at, rest) = (&mut record[&key], below);
    }
    Value::Null
}

/// Writes the defaults of the whole into a schema derived from a type: there, a key within a record has the default of the record's own type.
pub(crate) fn describe(schema: &mut Value, defaults: &Value) {
    let Value::Object(defaults) = defaults else { return };
    let mut open = vec![(String::new(), defaults)];
    while let Some((pointer, defaults)) = open.pop() {
        for (key, default) in defaults {
            let place = format!("{pointer}/properties/{key}");
            let Some(property) = schema.pointer_mut(&place).and_then(Value::as_object_mut) else { continue };
            property.insert("default".into(), default.clone());
            if let Value::Object(inner) = default {
                let definition = reference(property).unwrap_or(place);
                open.push((definition, inner));
            }
        }
    }
}

/// Where the definition is that a schema refers to, as a pointer.
pub(super) fn reference(schema: &Map<String, Value>) -> Option<String> {
    let target = schema.get("$ref").or_else(|| schema.get("allOf")?.get(0)?.get("$ref"))?;
    Some(target.as_str()?.strip_prefix('#')?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{parse, schema_of};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Whole {
        part: Part,
        stop: Option<Part>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Part {
        epochs: u32,
        lr: f64,
    }

    impl Default for Part {
        fn default() -> Self {
            Self { epochs: 40, lr: 0.5 }
        }
    }

    impl Default for Whole {
        fn default() -> Self {
            Self { part: Part { epochs: 7, ..Part::default() }, stop: None }
        }
    }

    #[test]
    fn a_key_that_is_left_out_has_the_default_of_the_whole() {
        let defaults = serde_json::to_value(Whole::default()).unwrap();
        let whole: Whole =
            parse(&filled(&defaults, &json!({"part": {"lr": 0.25}, "stop": {"lr": 2.0}}))).unwrap();
        assert_eq!((whole.part.epochs, whole.part.lr), (7, 0.25));
        // Where nothing is the default, what is begun is filled in by its own type.
        let stop = whole.stop.unwrap();
        assert_eq!((stop.epochs, stop.lr), (40, 2.0));
        assert_eq!(filled(&defaults, &json!({"part": null}))["part"], Value::Null);
        assert_eq!(filled(&defaults, &json!({"other": 1}))["other"], 1);
    }

    #[test]
    fn what_is_taken_out_leaves_the_rest_as_it_is() {
        let config = json!({"part": {"epochs": 0, "lr": 1.0, "a/b": 1}, "list": [1, "x", 3], "n": 2});
        let left = |place: &str| without(config.clone(), place);
        assert_eq!(left("/part/epochs"), json!({"part": {"lr": 1.0, "a/b": 1}, "list": [1, "x", 3], "n": 2}));
        assert_eq!(left("/part/a~1b")["part"], json!({"epochs": 0, "lr": 1.0}));
        assert_eq!(left("/list/1"), json!({"part": config["part"], "n": 2}));
        assert_eq!(left("/n/deeper"), json!({"part": config["part"], "list": config["list"]}));
        assert_eq!((left("/none"), left("/none/at/all")), (config.clone(), config.clone()));
        assert_eq!(left(""), Value::Null);
    }

    #[test]
    fn a_schema_tells_the_defaults_of_the_whole() {
        let mut schema = schema_of::<Whole>();
        assert_eq!(schema["$defs"]["Part"]["properties"]["epochs"]["default"], 40);
        describe(&mut schema, &serde_json::to_value(Whole::default()).unwrap());
        assert_eq!(schema["$defs"]["Part"]["properties"]["epochs"]["default"], 7);
        assert_eq!(schema["properties"]["part"]["default"], json!({"epochs": 7, "lr": 0.5}));
    }
}
