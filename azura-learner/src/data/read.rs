//! Reading a file into memory, within limits.

use std::{fs::File, io::Read, path::Path};

use super::error::DataError;

/// Refuses to read as CSV what by its name is something else.
pub(super) fn expect_csv(path: &Path) -> Result<(), DataError> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    if ["zip", "wav", "png", "jpg", "jpeg"].contains(&ending.as_str()) {
        let problem = format!("by its name a {ending} file, but a CSV file is needed here, or it is damaged");
        return Err(DataError::file(path.display().to_string(), problem));
    }
    Ok(())
}

/// The bytes of a file; no more of it is read than is allowed.
pub(super) fn whole(path: &Path, limit: usize) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes))
        .map_err(|source| DataError::Io { path: path.to_owned(), source })?;
    if bytes.len() > limit { Err(DataError::TooLarge { limit, what: "bytes" }) } else { Ok(bytes) }
}
