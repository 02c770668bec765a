//! Reports: a Markdown text and the pictures it shows, the same bytes for the same run.

mod axis;
mod chart;
mod markdown;
mod thin;

pub use chart::{Colour, LineChart};
pub use markdown::{code, config_table, number, table};
pub use thin::thin;

use crate::{PipelineError, RunCx};

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

    /// Writes `report.md` and `images/*` into the folder of a run, the text last, so that its pictures are there when
    /// it is.
    ///
    /// # Errors
    /// For the first file that cannot be written.
    pub fn write(&self, cx: &RunCx<'_>) -> Result<(), PipelineError> {
        for (name, svg) in &self.images {
            cx.write(&format!("images/{name}"), svg.as_bytes())?;
        }
        cx.write("report.md", self.markdown.as_bytes())
    }
}
