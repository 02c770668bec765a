//! Reports: a Markdown text and the pictures it shows, also as one page; the same bytes for the same run.

mod axis;
mod bars;
mod chart;
mod html;
mod markdown;
mod matrix;
mod sheet;
mod svg;
mod thin;

pub use bars::Bars;
pub use chart::Chart;
pub use html::STYLE;
pub use markdown::{code, config_table, number, table};
pub use matrix::Matrix;
pub use sheet::Sheet;
pub use svg::Colour;
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

    /// The report as one HTML page: without scripts, with its pictures in it, so that it can be sent on alone.
    pub fn html(&self) -> String {
        html::page(&self.markdown, &self.images)
    }

    /// Writes `report.md`, `report.html` and `images/*` into the folder of a run, the text last, so that the others are there
    /// when it is.
    ///
    /// # Errors
    /// For the first file that cannot be written.
    pub fn write(&self, cx: &RunCx<'_>) -> Result<(), PipelineError> {
        for (name, svg) in &self.images {
            cx.write(&format!("images/{name}"), svg.as_bytes())?;
        }
        cx.write("report.html", self.html().as_bytes())?;
        cx.write("report.md", self.markdown.as_bytes())
    }
}
