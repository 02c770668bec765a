//! Names that become parts of paths.

/// Whether a text can be the name of a file or folder anywhere: `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`, and none that Windows keeps for devices.
pub(crate) fn is_safe(name: &str) -> bool {
    let mut bytes = name.bytes();
    (1..=128).contains(&name.len())
        && bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && !name.ends_with('.')
        && !is_device(name)
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).to_ascii_uppercase();
    ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str())
        || ["COM", "LPT"].iter().any(|port| stem.strip_prefix(port).is_some_and(|n| n.len() == 1 && n != "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_safe() {
        for name in [
            "loss.svg",
            "csv_forecaster_20260301_120000_0a1b2c3d",
            "a",
            "9-lives",
            "COMPASS.svg",
            &"a".repeat(128),
        ] {
            assert!(is_safe(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "../a",
            "a/b",
            "a\\b",
            "/etc/passwd",
            ".hidden",
            "-x",
            "_x",
            "a b",
            "a%2fb",
            "a\0",
            "ä",
            "a:b",
            "a.",
            "nul",
            "CON.svg",
            "com1",
            "lpt9.txt",
            "\u{202e}a",
            &"a".repeat(129),
        ] {
            assert!(!is_safe(name), "{name:?}");
        }
    }
}
