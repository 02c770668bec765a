//! Every test that SECURITY.md names exists.

use std::{fs, path::Path};

/// The text of every Rust file below a folder.
fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn security_md_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut all = String::new();
    for part in ["azura-core/src", "azura-learner", "azura-queue", "azura-server"] {
        sources(&root.join(part), &mut all);
    }
    let document = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let rows = document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| requirement"));
    let named =
        rows.filter_map(|row| row.rsplit('|').nth(1)).flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let names: Vec<_> = named.filter(|name| name.contains('_') && !name.contains('(')).collect();
    assert!(names.len() >= 18, "{names:?}");
    for name in names {
        assert!(
            all.contains(&format!("fn {name}(")),
            "SECURITY.md names `{name}`, but there is no such test"
        );
    }
}
