//! How large a config or a request may be at all.

use serde_json::Value;

use super::Problem;

/// Levels of nesting.
const DEPTH: usize = 32;
/// Values in all: objects, lists, texts, numbers.
const NODES: usize = 10_000;

/// One that is nested too deep or has too many values, before anything walks over it.
pub(super) fn exceeded(config: &Value) -> Option<Problem> {
    let mut nodes = 0;
    let mut open = vec![(config, 1)];
    while let Some((value, depth)) = open.pop() {
        nodes += 1;
        if depth > DEPTH {
            return Some(Problem::new(
                "",
                format!("it is nested deeper than the {DEPTH} levels that are allowed"),
            ));
        }
        if nodes > NODES {
            return Some(Problem::new("", format!("it has more than the {NODES} values that are allowed")));
        }
        match value {
            Value::Array(items) => open.extend(items.iter().map(|v| (v, depth + 1))),
            Value::Object(fields) => open.extend(fields.values().map(|v| (v, depth + 1))),
            _ => {}
        }
    }
    None
}
