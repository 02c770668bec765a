//! Reading a file into memory, within limits.

use std::{fs::File, io::Read, path::Path};

use super::error::DataError;

/// The bytes of a file; no more of it is read than is allowed.
pub(super) fn whole(path: &Path, limit: usize) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes))
        .map_err(|source| DataError::Io { path: path.to_owned(), source })?;
    if bytes.len() > limit { Err(DataError::TooLarge { limit, what: "bytes" }) } else { Ok(bytes) }
}
