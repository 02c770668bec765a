//! Small pieces of Markdown in which foreign text stays text.

use serde_json::Value;

/// A table: the header's cells, then the rows'. Cells are Markdown. Columns of numbers stand on the right.
pub fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let line = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
    let numeric = |cell: &str| cell.starts_with(|c: char| c.is_ascii_digit() || "+-−–".contains(c));
    let rule: [&str; N] =
        std::array::from_fn(
            |column| {
                if rows.iter().all(|row| numeric(&row[column])) { "---:" } else { "---" }
            },
        );
    let mut out = line(&header) + &line(&rule);
    for row in rows {
        out += &line(&row.each_ref().map(String::as_str));
    }
    out
}

/// Text as inline code, for running text and table cells: whatever it holds, it is shown and does nothing.
pub fn code(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // A bar would end the cell of a table, even inside code.
    let text = text.replace('|', "\\|");
    let pad = if text.starts_with('`') || text.ends_with('`') || text.trim().is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A number with four significant digits, more only before the point, or a dash for none: `2.607`, `10.00`,
/// `12346`, `0.0001234`.
pub fn number(x: Option<f64>) -> String {
    let Some(x) = x.filter(|x| x.is_finite()) else { return "–".into() };
    if x == 0.0 {
        return "0".into();
    }
    // The magnitude is that of the rounded number: 9.9999 is 1.000e1.
    let rounded = format!("{x:.3e}");
    match rounded.split_once('e').and_then(|(_, magnitude)| magnitude.parse().ok()) {
        Some(magnitude @ -6..=9) => format!("{x:.*}", 3_usize.saturating_sub_signed(magnitude)),
        _ => rounded,
    }
}

/// A config as a table of dotted keys and values; keys without a value are left out.
pub fn config_table(config: &Value) -> String {
    let mut rows = Vec::new();
    let mut open = vec![(String::new(), config)];
    while let Some((key, value)) = open.pop() {
        match value {
            Value::Object(fields) => {
                let inner = |(name, value)| {
                    (if key.is_empty() { String::clone(name) } else { format!("{key}.{name}") }, value)
                };
                // The stack turns the order round.
                open.extend(fields.iter().map(inner).collect::<Vec<_>>().into_iter().rev());
            }
            Value::Null => {}
            Value::String(text) => rows.push([code(&key), code(text)]),
            other => rows.push([code(&key), code(&other.to_string())]),
        }
    }
    table(["key", "value"], &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers() {
        let texts = [2.60712, 56.137, 12345.6, 0.000_123_44, -3.0, 1e12, 1e-9, 9.9999, -0.099_999, 999.96]
            .map(|x| number(Some(x)));
        assert_eq!(
            texts,
            [
                "2.607",
                "56.14",
                "12346",
                "0.0001234",
                "-3.000",
                "1.000e12",
                "1.000e-9",
                "10.00",
                "-0.1000",
                "1000"
            ]
        );
        assert_eq!([number(Some(0.0)), number(None), number(Some(f64::NAN))], ["0", "–", "–"]);
    }

    #[test]
    fn foreign_text_stays_text() {
        assert_eq!(code("temp_max"), "`temp_max`");
        assert_eq!(code("a`b|c\n<b>"), "``a`b\\|c <b>``");
        assert_eq!(code("`"), "`` ` ``");
    }

    #[test]
    fn tables() {
        let rows = [["RMSE".into(), "2.5".into()], ["MAE".into(), "–".into()]];
        assert_eq!(
            table(["figure", "value"], &rows),
            "| figure | value |\n| --- | ---: |\n| RMSE | 2.5 |\n| MAE | – |\n"
        );
        let config = json!({"b": {"y": [1, 2], "x": null}, "a": "t"});
        assert_eq!(
            config_table(&config),
            "| key | value |\n| --- | --- |\n| `a` | `t` |\n| `b.y` | `[1,2]` |\n"
        );
    }
}
