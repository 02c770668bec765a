//! Where the data of a run come from, in words.

use std::path::Path;

use crate::{data::Datasets, report::code};

/// A file by its name alone, or a data set with its source and its terms.
pub(crate) fn about(file: Option<&str>, dataset: &str, datasets: &Datasets) -> String {
    if let Some(file) = file {
        let name = Path::new(file).file_name().map(|n| n.to_string_lossy().into_owned());
        return format!("The file {}.", code(&name.unwrap_or_default()));
    }
    datasets.get(dataset).map_or_else(
        |_| format!("The data set {}.", code(dataset)),
        |set| {
            let told = |(name, text): (&str, &String)| {
                if text.is_empty() { String::new() } else { format!(" {name}: {text}.") }
            };
            let origin: String = [("Source", &set.source), ("Terms", &set.terms)].map(told).concat();
            format!("**{}** ({}). {}{origin}", set.title, code(&set.id), set.description)
        },
    )
}
