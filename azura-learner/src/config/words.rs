//! Wording of problems.

use serde_json::Value;

use crate::data::{clipped, listed, shown};

/// What a value is, in words: `the text "abc"`.
pub(crate) fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => format!("the number {n}"),
        Value::String(s) => format!("the text \"{}\"", clipped(s)),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}

/// A schema type in words.
pub(super) fn type_name(name: &str) -> &str {
    match name {
        "integer" => "an integer",
        "number" => "a number",
        "string" => "a text",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}

/// The value as it stands in JSON, in back quotes.
pub(super) fn quoted(value: &Value) -> String {
    match value {
        Value::String(s) => shown(s),
        other => shown(&other.to_string()),
    }
}

/// A message with the nearest of the known names, if one is near, and the list of them.
pub(crate) fn with_suggestion<S: AsRef<str>>(
    message: impl std::fmt::Display,
    name: &str,
    known: &[S],
) -> String {
    let hint = nearest(name, known).map_or(";".into(), |n| format!("; did you mean {}?", shown(n)));
    format!("{message}{hint} allowed: {}", listed(known))
}

/// The known name with the fewest edits, at most a third of the name's length (and at least one).
fn nearest<'a, S: AsRef<str>>(name: &str, known: &'a [S]) -> Option<&'a str> {
    const LONGEST: usize = 100;
    let name: Vec<char> = name.to_lowercase().chars().take(LONGEST + 1).collect();
    if name.len() > LONGEST {
        return None;
    }
    let distances = known.iter().map(|k| (distance(&name, &k.as_ref().to_lowercase()), k.as_ref()));
    let (edits, nearest) = distances.min_by_key(|(edits, _)| *edits)?;
    (edits <= (name.len() / 3).max(1)).then_some(nearest)
}

/// Levenshtein's distance: insertions, deletions and replacements.
fn distance(a: &[char], b: &str) -> usize {
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (j, cb) in b.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], j + 1);
        for (i, ca) in a.iter().enumerate() {
            let replaced = diagonal + usize::from(*ca != cb);
            diagonal = row[i + 1];
            row[i + 1] = replaced.min(diagonal + 1).min(row[i] + 1);
        }
    }
    row[a.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_is_near_or_none() {
        let known = ["epochs", "lr", "optimizer"];
        assert_eq!(nearest("epoch", &known), Some("epochs"));
        assert_eq!(nearest("Optimiser", &known), Some("optimizer"));
        assert_eq!(nearest("LR", &known), Some("lr"));
        assert_eq!(nearest("banana", &known), None);
        assert_eq!(nearest("x", &[] as &[&str]), None);
        assert_eq!(nearest(&"e".repeat(10_000), &known), None);
    }

    #[test]
    fn edit_distance() {
        // kitten -> sitten -> sittin -> sitting
        assert_eq!(distance(&"kitten".chars().collect::<Vec<_>>(), "sitting"), 3);
        assert_eq!(distance(&[], "abc"), 3);
    }
}
