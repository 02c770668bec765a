//! The part of JSON Schema that `schemars` writes for configs.

use serde_json::{Map, Value};

use super::{
    Problem, limits,
    words::{found, quoted, type_name, with_suggestion},
};

/// Problems told of at most.
const MOST: usize = 100;

/// Keywords that restrict and are checked here.
const CHECKED: [&str; 20] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "enum",
    "const",
    "oneOf",
    "anyOf",
    "allOf",
    "$ref",
    "$defs",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
];
/// Keywords that only describe. `format` is one of them: it names the Rust type of a number.
const DESCRIPTIVE: [&str; 11] = [
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "format",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// All problems of a config, up to a hundred; none if it fits the schema.
///
/// An integer is a number written without fraction: `2.0` is not one. Configs nested deeper than 32 levels or
/// of more than 10 000 values are refused as a whole. Keys with the prefix `x-` in a schema are remarks and
/// restrict nothing.
pub fn check(schema: &Value, config: &Value) -> Vec<Problem> {
    if let Some(problem) = limits::exceeded(config) {
        return vec![problem];
    }
    let mut problems = Checker { root: schema }.at(schema, config, "", 0);
    problems.truncate(MOST);
    problems
}

/// Pointers to the keywords of a schema that [`check`] does not know. A config type has passed if there is
/// none.
pub fn unknown_keywords(schema: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut open = vec![(String::new(), schema)];
    while let Some((pointer, schema)) = open.pop() {
        let Value::Object(schema) = schema else { continue };
        for (keyword, value) in schema {
            let pointer = join(&pointer, keyword);
            match (keyword.as_str(), value) {
                ("properties" | "$defs", Value::Object(inner)) => {
                    open.extend(inner.iter().map(|(name, schema)| (join(&pointer, name), schema)));
                }
                ("oneOf" | "anyOf" | "allOf", Value::Array(inner)) => {
                    open.extend(inner.iter().enumerate().map(|(i, s)| (format!("{pointer}/{i}"), s)));
                }
                ("items" | "additionalProperties", schema) => open.push((pointer, schema)),
                _ if is_known(keyword) => {}
                _ => unknown.push(pointer),
            }
        }
    }
    unknown
}

fn is_known(keyword: &str) -> bool {
    CHECKED.contains(&keyword) || DESCRIPTIVE.contains(&keyword) || keyword.starts_with("x-")
}

/// A JSON pointer one step longer.
pub(crate) fn join(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

struct Checker<'a> {
    root: &'a Value,
}

impl Checker<'_> {
    /// `refs` counts the references and choices followed since the value was reached, so that a circle of
    /// them ends.
    fn at(&self, schema: &Value, value: &Value, pointer: &str, refs: usize) -> Vec<Problem> {
        const DEEPEST: usize = 32;
        let one = |message: String| vec![Problem::new(pointer, message)];
        let schema = match schema {
            Value::Object(schema) => schema,
            Value::Bool(false) => return one("nothing is allowed here".into()),
            _ => return Vec::new(),
        };
        if refs > DEEPEST {
            return one("the schema refers to itself without end".into());
        }
        if let Some(keyword) = schema.keys().find(|k| !is_known(k)) {
            return one(format!("cannot be checked: its schema uses the unknown keyword `{keyword}`"));
        }
        // Of a value of the wrong type nothing else is worth saying.
        if let Some(message) = wrong_type(schema, value) {
            return one(message);
        }
        let mut problems: Vec<Problem> =
            plain(schema, value).into_iter().map(|m| Problem::new(pointer, m)).collect();
        if let Some(reference) = schema.get("$ref") {
            let target = reference.as_str().and_then(|r| self.root.pointer(r.strip_prefix('#')?));
            problems.extend(match target {
                Some(target) => self.at(target, value, pointer, refs + 1),
                None => {
                    one(format!("cannot be checked: its schema refers to {reference}, which is not there"))
                }
            });
        }
        for part in list(schema, "allOf") {
            problems.extend(self.at(part, value, pointer, refs + 1));
        }
        for (keyword, single) in [("anyOf", false), ("oneOf", true)] {
            if let Some(Value::Array(branches)) = schema.get(keyword) {
                problems.extend(self.choice(branches, single, value, pointer, refs));
            }
        }
        match value {
            Value::Object(fields) => problems.extend(self.object(schema, fields, pointer)),
            Value::Array(items) => {
                if let Some(inner) = schema.get("items") {
                    let items = items.iter().enumerate();
                    problems.extend(items.flat_map(|(i, v)| self.at(inner, v, &format!("{pointer}/{i}"), 0)));
                }
            }
            _ => {}
        }
        problems
    }

    fn object(
        &self,
        schema: &Map<String, Value>,
        fields: &Map<String, Value>,
        pointer: &str,
    ) -> Vec<Problem> {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let mut problems = Vec::new();
        for name in list(schema, "required").filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                problems.push(Problem::new(pointer, format!("the key `{name}` is missing")));
            }
        }
        for (name, value) in fields {
            let place = join(pointer, name);
            match properties.get(name).or_else(|| schema.get("additionalProperties")) {
                Some(Value::Bool(false)) => {
                    let known: Vec<&String> = properties.keys().collect();
                    let message = format!("unknown key {}", crate::data::shown(name));
                    problems.push(Problem::new(place, with_suggestion(message, name, &known)));
                }
                Some(inner) => problems.extend(self.at(inner, value, &place, 0)),
                None => {}
            }
        }
        problems
    }

    /// One of several schemas must fit, with `single` exactly one.
    fn choice(
        &self,
        branches: &[Value],
        single: bool,
        value: &Value,
        pointer: &str,
        refs: usize,
    ) -> Vec<Problem> {
        let one = |message: String| vec![Problem::new(pointer, message)];
        let tried: Vec<Vec<Problem>> =
            branches.iter().map(|b| self.at(b, value, pointer, refs + 1)).collect();
        match tried.iter().filter(|problems| problems.is_empty()).count() {
            0 => {}
            n if n > 1 && single => {
                return one(format!("fits {n} of the allowed forms, but must fit one only"));
            }
            _ => return Vec::new(),
        }
        if let Some(words) = branches.iter().map(choices).collect::<Option<Vec<_>>>() {
            return one(not_one_of(value, &words.concat()));
        }
        // The branch that comes nearest tells what is wrong: one for a value of this type, if there is one,
        // and of those the one with the fewest objections. Null is the branch for leaving out.
        let named =
            branches.iter().zip(tried).filter(|(schema, _)| schema.get("type").is_none_or(|t| t != "null"));
        let nearest =
            named.min_by_key(|(schema, problems)| (!self.has_type_of(schema, value), problems.len()));
        nearest.map_or_else(|| one("must be null".into()), |(_, problems)| problems)
    }

    /// Whether a schema, or the one it refers to, is for values of this one's type.
    fn has_type_of(&self, schema: &Value, value: &Value) -> bool {
        let target = schema.get("$ref").and_then(|r| self.root.pointer(r.as_str()?.strip_prefix('#')?));
        let schema = target.unwrap_or(schema).as_object();
        schema.is_none_or(|schema| wrong_type(schema, value).is_none())
    }
}

/// The values a schema lists as the only ones; None for another kind of schema.
fn choices(schema: &Value) -> Option<Vec<Value>> {
    schema
        .get("const")
        .map(|only| vec![only.clone()])
        .or_else(|| schema.get("enum").and_then(Value::as_array).cloned())
}

fn not_one_of(value: &Value, allowed: &[Value]) -> String {
    let texts: Vec<String> =
        allowed.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
    match value {
        Value::String(name) => {
            let message = format!("{} is not one of the allowed values", crate::data::shown(name));
            with_suggestion(message, name, &texts)
        }
        other => format!("expected one of {}, found {}", crate::data::listed(&texts), found(other)),
    }
}

/// What is wrong with the value's type, if anything.
fn wrong_type(schema: &Map<String, Value>, value: &Value) -> Option<String> {
    let allowed: Vec<&str> = match schema.get("type")? {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let fits = |name: &&str| match *name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    if allowed.iter().any(fits) {
        return None;
    }
    let names: Vec<&str> = allowed.iter().map(|name| type_name(name)).collect();
    Some(format!("expected {}, found {}", names.join(" or "), found(value)))
}

/// A limit as one writes it: schemas have `10.0` for those of fractions.
fn limit(bound: &Value) -> String {
    bound.as_f64().filter(|_| bound.is_f64()).map_or_else(|| bound.to_string(), |bound| bound.to_string())
}

/// The restrictions that look at one value only.
fn plain(schema: &Map<String, Value>, value: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    if schema.contains_key("const") || schema.contains_key("enum") {
        let allowed = choices(&Value::Object(schema.clone())).unwrap_or_default();
        if !allowed.contains(value) {
            problems.push(not_one_of(value, &allowed));
        }
    }
    if let Some(x) = value.as_f64() {
        let breaks = |keyword, broken: fn(&f64, &f64) -> bool, words| {
            let bound = schema.get(keyword).filter(|b| b.as_f64().is_some_and(|b| broken(&x, &b)))?;
            Some(format!("{} {words} {}", quoted(value), limit(bound)))
        };
        problems.extend(breaks("minimum", f64::lt, "is below the minimum"));
        problems.extend(breaks("maximum", f64::gt, "is above the maximum"));
        problems.extend(breaks("exclusiveMinimum", f64::le, "must be greater than"));
        problems.extend(breaks("exclusiveMaximum", f64::ge, "must be less than"));
    }
    let size = match value {
        Value::String(text) => Some((text.chars().count(), "minLength", "maxLength", "characters")),
        Value::Array(items) => Some((items.len(), "minItems", "maxItems", "entries")),
        _ => None,
    };
    if let Some((size, min, max, what)) = size {
        let bound = |keyword| schema.get(keyword).and_then(Value::as_u64);
        if let Some(min) = bound(min).filter(|&min| (size as u64) < min) {
            problems.push(format!("{size} {what} are too few; at least {min}"));
        }
        if let Some(max) = bound(max).filter(|&max| size as u64 > max) {
            problems.push(format!("{size} {what} are too many; at most {max}"));
        }
    }
    problems
}

/// The entries of a keyword that holds a list.
fn list<'a>(schema: &'a Map<String, Value>, keyword: &str) -> impl Iterator<Item = &'a Value> {
    schema.get(keyword).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests;
