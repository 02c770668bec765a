//! A form for a pipeline's configs, made of their JSON Schema, for clients that do not read schemas themselves.

use poem_openapi::{Enum, Object};
use serde_json::{Map, Value};

/// Not for a form: it is for one pipeline, and files are named on the command line only.
const LEFT_OUT: [&str; 3] = ["pipeline_name", "batch_name", "data_sourcing.file"];
/// References and records are followed so far, so that a circle of them ends.
const DEEPEST: usize = 32;

/// The fields of a form.
#[derive(Object)]
pub(crate) struct FormView {
    groups: Vec<GroupView>,
}

/// Fields that belong together.
#[derive(Object)]
struct GroupView {
    id: String,
    name: String,
    fields: Vec<FieldView>,
}

/// What is asked for one value of a config.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct FieldView {
    /// The path, as one word.
    id: String,
    /// Where the value is in the config.
    path: String,
    label: String,
    #[oai(rename = "type")]
    kind: Kind,
    /// The default, as text.
    placeholder: Option<String>,
    help_text: Option<String>,
    /// Of a select.
    options: Option<Vec<OptionView>>,
    validation: Option<ValidationView>,
}

#[derive(Enum)]
#[oai(rename_all = "lowercase")]
enum Kind {
    Text,
    Select,
}

/// One of the values of a select.
#[derive(Object)]
struct OptionView {
    /// As it is in the config: text, true or false, or null for none.
    value: Value,
    label: String,
}

#[derive(Object)]
struct ValidationView {
    /// Whether there has to be a value.
    required: bool,
}

impl FormView {
    /// Of a schema as `schemars` makes it. Records of the whole are groups; what is beside them is one too.
    pub(crate) fn of(schema: &Value) -> Self {
        let form = Form(schema);
        let mut alone = GroupView { id: "general".into(), name: "General".into(), fields: Vec::new() };
        let mut groups = Vec::new();
        for (name, part) in schema.as_object().map(properties).into_iter().flatten() {
            let (record, nullable) = form.resolve(part);
            let mut fields = Vec::new();
            form.add(part, name, 0, &mut fields);
            if record.contains_key("properties") && !nullable {
                groups.push(GroupView { id: name.clone(), name: label(&record, name), fields });
            } else {
                alone.fields.extend(fields);
            }
        }
        groups.push(alone);
        groups.retain(|group| !group.fields.is_empty());
        Self { groups }
    }
}

struct Form<'a>(&'a Value);

impl Form<'_> {
    /// Adds the field of a value, or those of all values in a record.
    fn add(&self, schema: &Value, path: &str, depth: usize, fields: &mut Vec<FieldView>) {
        if LEFT_OUT.contains(&path) {
            return;
        }
        let (schema, nullable) = self.resolve(schema);
        match schema.get("properties") {
            Some(Value::Object(_)) if !nullable && depth < DEEPEST => {
                for (name, part) in properties(&schema) {
                    self.add(part, &format!("{path}.{name}"), depth + 1, fields);
                }
            }
            _ => fields.push(self.field(&schema, nullable, path)),
        }
    }

    fn field(&self, schema: &Map<String, Value>, nullable: bool, path: &str) -> FieldView {
        let name = path.rsplit('.').next().unwrap_or(path);
        let options = self.options(schema, nullable);
        FieldView {
            id: path.replace('.', "-"),
            path: path.to_owned(),
            label: label(schema, name),
            kind: if options.is_some() { Kind::Select } else { Kind::Text },
            placeholder: schema.get("default").and_then(text),
            help_text: schema.get("description").and_then(Value::as_str).map(brief),
            options,
            validation: (!nullable).then_some(ValidationView { required: true }),
        }
    }

    /// What there is to choose from, if the values are counted: a record that may be there or not is there as its defaults.
    fn options(&self, schema: &Map<String, Value>, nullable: bool) -> Option<Vec<OptionView>> {
        let plain =
            |value: &Value| OptionView { value: value.clone(), label: text(value).unwrap_or_default() };
        let list = |key: &str| schema.get(key).and_then(Value::as_array);
        let mut options: Vec<_> = if let Some(values) = list("enum") {
            values.iter().filter(|value| !value.is_null()).map(plain).collect()
        } else if let Some(choices) = list("oneOf") {
            let constant = |choice: &Value| choice.get("const").map(plain);
            choices.iter().map(constant).collect::<Option<_>>()?
        } else if let Some(only) = schema.get("const") {
            vec![plain(only)]
        } else if is(schema, "boolean") {
            [true, false].map(|value| plain(&value.into())).into()
        } else {
            let parts = schema.get("properties").filter(|_| nullable)?.as_object()?;
            let default = |(name, part): (&String, &Value)| {
                Some((name.clone(), self.resolve(part).0.get("default")?.clone()))
            };
            vec![plain(&Value::Object(parts.iter().filter_map(default).collect()))]
        };
        if nullable {
            options.insert(0, OptionView { value: Value::Null, label: "empty".into() });
        }
        Some(options)
    }

    /// A schema with what it refers to, and whether it lets a value be null.
    fn resolve(&self, schema: &Value) -> (Map<String, Value>, bool) {
        let mut schema = schema.as_object().cloned().unwrap_or_default();
        let mut nullable = false;
        for _ in 0..DEEPEST {
            let Some((target, null)) = self.target(&mut schema) else { break };
            nullable |= null;
            // What is said in place is closer to the point than what is said of the type.
            for (key, value) in target.as_object().into_iter().flatten() {
                schema.entry(key).or_insert_with(|| value.clone());
            }
        }
        let listed =
            schema.get("enum").and_then(Value::as_array).is_some_and(|all| all.contains(&Value::Null));
        (schema.clone(), nullable || listed || is(&schema, "null"))
    }

    /// Takes out of a schema what it stands for: the one that it refers to, or its only choice besides null.
    fn target(&self, schema: &mut Map<String, Value>) -> Option<(Value, bool)> {
        if let Some(Value::String(pointer)) = schema.remove("$ref") {
            return self.0.pointer(pointer.trim_start_matches('#')).cloned().map(|target| (target, false));
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            let Some(Value::Array(choices)) = schema.get(key) else { continue };
            let mut others = choices.iter().filter(|choice| choice["type"] != "null");
            if let (Some(only), None) = (others.next().cloned(), others.next()) {
                let null = choices.len() > 1;
                schema.remove(key);
                return Some((only, null));
            }
        }
        None
    }
}

/// The properties of a record, in the order in which its type declares them, as far as that is known.
fn properties(schema: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let order: Vec<&Value> = schema.get("x-order").and_then(Value::as_array).into_iter().flatten().collect();
    let mut all: Vec<_> = schema.get("properties").and_then(Value::as_object).into_iter().flatten().collect();
    all.sort_by_key(|(name, _)| order.iter().position(|one| *one == *name).unwrap_or(usize::MAX));
    all
}

/// Whether a schema allows this type.
fn is(schema: &Map<String, Value>, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::Array(types)) => types.iter().any(|one| one == name),
        one => one.is_some_and(|one| one == name),
    }
}

fn label(schema: &Map<String, Value>, name: &str) -> String {
    schema.get("title").and_then(Value::as_str).unwrap_or(name).to_owned()
}

/// The first paragraph of a description; others are for those who program.
fn brief(description: &str) -> String {
    description.split("\n\n").next().unwrap_or_default().replace('\n', " ")
}

/// A value as one would type it; none for null.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => Some(items.iter().filter_map(text).collect::<Vec<_>>().join(", ")),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use azura_learner::Registry;
    use poem_openapi::types::ToJSON as _;
    use serde_json::json;

    use super::*;

    fn leaves(path: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(parts) => {
                for (name, part) in parts {
                    leaves(
                        &if path.is_empty() { name.clone() } else { format!("{path}.{name}") },
                        part,
                        found,
                    );
                }
            }
            leaf => {
                found.insert(path.to_owned(), leaf.clone());
            }
        }
    }

    #[test]
    fn every_value_of_every_pipeline_has_one_field() {
        let registry = Registry::builtin();
        for info in registry.names().filter_map(|name| registry.info(name)) {
            let mut defaults = BTreeMap::new();
            leaves("", &info.default_config, &mut defaults);
            defaults.retain(|path, _| !LEFT_OUT.contains(&path.as_str()));
            let form = FormView::of(&info.json_schema);
            let fields: Vec<_> = form.groups.iter().flat_map(|group| &group.fields).collect();
            let mut paths: Vec<_> = fields.iter().map(|field| &field.path).collect();
            paths.sort();
            assert_eq!(paths, defaults.keys().collect::<Vec<_>>(), "{}", info.name);
            for field in fields {
                let at = format!("{} {}", info.name, field.path);
                let default = &defaults[&field.path];
                match &field.options {
                    Some(options) => {
                        assert!(options.iter().any(|option| option.value == *default), "{at}: {default}");
                        assert!(options.len() > 1 && options.iter().all(|option| !option.label.is_empty()));
                    }
                    None => assert!(!default.is_boolean(), "{at}"),
                }
                assert_eq!(field.placeholder.is_none(), default.is_null(), "{at}");
                assert!(field.validation.is_none() || !default.is_null(), "{at}");
                assert!(field.help_text.is_some() && field.label != field.path, "{at}");
            }
        }
    }

    #[test]
    fn fields_are_what_the_schema_says() {
        let schema = json!({
            "$defs": {
                "Rule": {"title": "A rule", "oneOf": [{"const": "sgd", "type": "string"}, {"const": "adam", "type": "string"}]},
                "Stop": {"type": "object", "properties": {"patience": {"type": "integer", "default": 10}}},
                "Part": {"type": "object", "title": "A part", "properties": {
                    "rule": {"anyOf": [{"$ref": "#/$defs/Rule"}, {"type": "null"}], "default": null, "title": "Rule"},
                    "deep": {"allOf": [{"$ref": "#/$defs/Stop"}], "description": "When\nit ends.\n\nFor programmers."},
                    "stop": {"anyOf": [{"$ref": "#/$defs/Stop"}, {"type": "null"}]},
                    "on": {"type": "boolean", "default": true},
                    "names": {"type": ["array", "null"], "items": {"type": "string"}, "default": ["a", "b"]},
                }, "x-order": ["deep", "stop", "names"]},
            },
            "properties": {
                "pipeline_name": {"const": "mine"},
                "part": {"$ref": "#/$defs/Part"},
                "word": {"type": "string", "default": "x"},
            },
        });
        let field = |path: &str, label: &str, kind: &str| json!({"id": path.replace('.', "-"), "path": path, "label": label, "type": kind});
        let with = |mut field: Value, more: Value| {
            field.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            field
        };
        let required = json!({"required": true});
        let option = |value: Value, label: &str| json!({"value": value, "label": label});
        let expected = json!({"groups": [
            {"id": "part", "name": "A part", "fields": [
                with(field("part.deep.patience", "patience", "text"), json!({"placeholder": "10", "validation": required})),
                with(field("part.stop", "stop", "select"), json!({
                    "options": [option(Value::Null, "empty"), option(json!({"patience": 10}), "{\"patience\":10}")]})),
                with(field("part.names", "names", "text"), json!({"placeholder": "a, b"})),
                with(field("part.on", "on", "select"), json!({"placeholder": "true", "validation": required,
                    "options": [option(json!(true), "true"), option(json!(false), "false")]})),
                with(field("part.rule", "Rule", "select"), json!({
                    "options": [option(Value::Null, "empty"), option(json!("sgd"), "sgd"), option(json!("adam"), "adam")]})),
            ]},
            {"id": "general", "name": "General", "fields": [
                with(field("word", "word", "text"), json!({"placeholder": "x", "validation": required})),
            ]},
        ]});
        assert_eq!(FormView::of(&schema).to_json(), Some(expected));
    }

    #[test]
    fn a_circle_of_references_ends() {
        let schema = json!({
            "$defs": {"Loop": {"$ref": "#/$defs/Loop"}, "Tree": {"properties": {"left": {"$ref": "#/$defs/Tree"}}}},
            "properties": {"a": {"$ref": "#/$defs/Loop"}, "b": {"$ref": "#/$defs/Tree"}},
        });
        let form = FormView::of(&schema);
        assert_eq!(form.groups.iter().map(|group| group.fields.len()).collect::<Vec<_>>(), [1, 1]);
    }
}
