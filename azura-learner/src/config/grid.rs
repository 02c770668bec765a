//! Grids: a config in which a list stands for several configs.

use serde_json::{Map, Number, Value};

use super::Problem;

/// All configs that one stands for: where it has a list and the schema wants none, each entry of the list is one of them. Several lists are
/// combined, in the order of their keys, the last one changing fastest. Where the schema wants a number, the text `"0.1, 0.01"` is such a list, too.
///
/// The configs are not checked beyond that.
///
/// ```
/// # use azura_learner::config::expand;
/// # use serde_json::json;
/// let schema = json!({"properties": {"lr": {"type": "number"}, "layers": {"type": "integer"}, "columns": {"type": "array"}}});
/// let grid = json!({"lr": "0.1, 0.01", "layers": [1, 2], "columns": ["a", "b"]});
/// let configs = expand(&schema, &grid, 256)?;
/// assert_eq!(configs.len(), 4);
/// assert_eq!(configs[1], json!({"lr": 0.01, "layers": 1, "columns": ["a", "b"]}));
/// # Ok::<(), azura_learner::config::Problem>(())
/// ```
///
/// # Errors
/// If a list is empty, or there would be more than `most` configs.
pub fn expand(schema: &Value, config: &Value, most: usize) -> Result<Vec<Value>, Problem> {
    let mut axes = Vec::new();
    find(schema, schema, config, "", &mut axes);
    let mut count = 1_usize;
    for (pointer, values) in &axes {
        if values.is_empty() {
            return Err(Problem::new(pointer.as_str(), "an empty list stands for no run at all"));
        }
        count = count.saturating_mul(values.len());
    }
    if count > most {
        let lists: Vec<_> =
            axes.iter().map(|(pointer, values)| format!("{pointer} has {}", values.len())).collect();
        let message =
            format!("the lists stand for {count} runs; at most {most} are allowed ({})", lists.join(", "));
        return Err(Problem::new("", message));
    }
    let mut configs = vec![config.clone()];
    for (pointer, values) in &axes {
        configs = configs
            .into_iter()
            .flat_map(|config| {
                values.iter().map(move |value| {
                    let mut config = config.clone();
                    if let Some(place) = config.pointer_mut(pointer) {
                        *place = value.clone();
                    }
                    config
                })
            })
            .collect();
    }
    Ok(configs)
}

/// The places of a config that stand for several values, and those values.
fn find(root: &Value, schema: &Value, value: &Value, pointer: &str, axes: &mut Vec<(String, Vec<Value>)>) {
    let forms = forms(root, schema);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let property = forms.iter().find_map(|form| form.get("properties")?.get(name));
                if let Some(property) = property {
                    let escaped = name.replace('~', "~0").replace('/', "~1");
                    find(root, property, value, &format!("{pointer}/{escaped}"), axes);
                }
            }
        }
        Value::Array(items) if !wants(&forms, &["array"]) => axes.push((pointer.to_owned(), items.clone())),
        Value::String(text) if text.contains(',') && wants(&forms, &["number", "integer"]) => {
            if let Some(numbers) = text.split(',').map(|part| number(part.trim())).collect() {
                axes.push((pointer.to_owned(), numbers));
            }
        }
        _ => {}
    }
}

/// A number as it is written: one without a fraction stays an integer.
fn number(text: &str) -> Option<Value> {
    let integer = || text.parse::<i64>().ok().map(Number::from);
    let number = integer().or_else(|| Number::from_f64(text.parse().ok()?))?;
    Some(number.into())
}

/// A schema and those that it refers to: all forms that a value may have.
fn forms<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Map<String, Value>> {
    const MOST: usize = 32;
    let (mut open, mut forms) = (vec![schema], Vec::new());
    while let Some(schema) = open.pop().filter(|_| forms.len() < MOST) {
        let Value::Object(schema) = schema else { continue };
        forms.push(schema);
        let target = schema.get("$ref").and_then(|r| root.pointer(r.as_str()?.strip_prefix('#')?));
        open.extend(target);
        let parts = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|key| schema.get(key)?.as_array());
        open.extend(parts.flatten());
    }
    forms
}

fn wants(forms: &[&Map<String, Value>], types: &[&str]) -> bool {
    let named = |found: &Value| found.as_str().is_some_and(|found| types.contains(&found));
    forms.iter().filter_map(|form| form.get("type")).any(|found| match found {
        Value::Array(several) => several.iter().any(named),
        one => named(one),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({
            "properties": {
                "training_params": {"$ref": "#/$defs/Training"},
                "columns": {"type": ["array", "null"], "items": {"type": "string"}},
                "name": {"type": "string"}
            },
            "$defs": {"Training": {"properties": {
                "epochs": {"type": "integer"},
                "lr": {"type": "number"},
                "early": {"anyOf": [{"properties": {"patience": {"type": "integer"}}, "type": "object"}, {"type": "null"}]}
            }, "type": "object"}}
        })
    }

    #[test]
    fn lists_are_combined_in_key_order() {
        let grid = json!({"training_params": {"epochs": [1, 2], "lr": [0.1, 0.2, 0.3]}, "name": "x"});
        let configs = expand(&schema(), &grid, 256).unwrap();
        let pairs: Vec<_> = configs
            .iter()
            .map(|c| (c["training_params"]["epochs"].clone(), c["training_params"]["lr"].clone()))
            .collect();
        let expected: Vec<_> = [(1, 0.1), (1, 0.2), (1, 0.3), (2, 0.1), (2, 0.2), (2, 0.3)]
            .map(|(e, l)| (json!(e), json!(l)))
            .into();
        assert_eq!(pairs, expected);
        assert!(configs.iter().all(|config| config["name"] == "x"));
    }

    #[test]
    fn a_list_that_is_wanted_is_one_value() {
        let config = json!({"columns": ["a", "b"], "name": "a, b", "training_params": {"lr": "fast, slow"}});
        assert_eq!(expand(&schema(), &config, 256).unwrap(), [config]);
    }

    #[test]
    fn texts_of_numbers_stay_what_they_are() {
        let configs = expand(&schema(), &json!({"training_params": {"epochs": "5, 10"}}), 256).unwrap();
        assert_eq!(configs[1], json!({"training_params": {"epochs": 10}}));
        let configs =
            expand(&schema(), &json!({"training_params": {"early": {"patience": [3, 4]}}}), 256).unwrap();
        assert_eq!(configs[1]["training_params"]["early"]["patience"], 4);
        // One value in a list is one run, without the list.
        let configs = expand(&schema(), &json!({"training_params": {"lr": [0.5]}}), 256).unwrap();
        assert_eq!(configs, [json!({"training_params": {"lr": 0.5}})]);
    }

    #[test]
    fn too_many_and_none() {
        let epochs: Vec<i32> = (1..=100).collect();
        let grid = json!({"training_params": {"epochs": epochs, "lr": [0.1, 0.2, 0.3]}});
        let problem = expand(&schema(), &grid, 256).unwrap_err();
        assert_eq!(
            problem.message,
            "the lists stand for 300 runs; at most 256 are allowed (/training_params/epochs has 100, /training_params/lr has 3)"
        );
        let problem = expand(&schema(), &json!({"name": []}), 256).unwrap_err();
        assert_eq!(problem.pointer, "/name");
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"$ref": "#"});
        assert_eq!(expand(&schema, &json!({"a": [1]}), 9).unwrap().len(), 1);
    }
}
