//! Reports: a Markdown text and the pictures it shows, the same bytes for the same run.

mod axis;
mod chart;
mod markdown;
mod thin;

use std::{fs, path::Path};

pub use chart::{Colour, LineChart};
pub use markdown::{code, config_table, number, table};
pub use thin::thin;

use crate::files::{FileError, write_atomic};

/// A report, not yet written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The text; pictures are linked as `images/NAME`.
    pub markdown: String,
    /// Names and SVG texts of the pictures.
    pub images: Vec<(String, String)>,
}

impl Report {
    /// A text and its pictures.
    pub fn new(markdown: String, images: Vec<(String, String)>) -> Self {
        Self { markdown, images }
    }

    /// Writes `report.md` and `images/*` into a folder, the text last, so that its pictures are there when it
    /// is.
    ///
    /// # Errors
    /// [`FileError`] for the first file that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), FileError> {
        let images = folder.join("images");
        fs::create_dir_all(&images).map_err(|source| FileError { path: images.clone(), source })?;
        for (name, svg) in &self.images {
            write_atomic(&images.join(name), svg.as_bytes())?;
        }
        write_atomic(&folder.join("report.md"), self.markdown.as_bytes())
    }
}
