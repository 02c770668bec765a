//! Data as it comes (CSV tables, bundled data sets) and as a model wants it (scaled, split, cut into
//! windows).
//!
//! Nothing here knows of tensors: tables hold `f64`, model input is plain `f32` slices.
//!
//! | step | type |
//! |---|---|
//! | read a CSV | [`Table`] |
//! | its time column | [`Times`], with [`Cycle`]s as calendar features, and the [`Step`] to the next row |
//! | its columns along time, blanks dealt with | [`Series`] |
//! | what is learned of a target, and back | [`Transform`] |
//! | divide by time | [`Parts`] |
//! | scale by what the training part shows | [`Scaler`] |
//! | hand out batches of windows | [`Windows`] |
//! | read pictures | [`Images`] |
//! | change them from epoch to epoch | [`Augment`] |
//! | hand out batches of them | [`Pictures`] |
//! | read sound | [`Audio`] |

mod audio;
mod calendar;
mod datasets;
mod error;
mod fetch;
mod images;
mod read;
mod scaler;
mod series;
mod split;
mod step;
mod table;
mod time;
mod transform;
mod window;

pub use audio::{Audio, MuLaw};
pub use calendar::Cycle;
pub(crate) use datasets::examples;
pub use datasets::{DatasetFile, DatasetKind, Datasets};
pub use error::DataError;
pub(crate) use error::{clipped, count, listed, shown};
pub use fetch::{DataSource, WeatherRequest};
pub use images::{Augment, CsvImages, Images, LabelColumn, Pictures};
pub use scaler::{Scaler, ScalerKind};
pub use series::{Missing, Series};
pub use split::{Parts, Split};
pub use step::Step;
pub use table::{Column, Kind, Limits, Table};
pub use time::Times;
pub(crate) use time::parse_cell;
pub use transform::Transform;
pub use window::Windows;
