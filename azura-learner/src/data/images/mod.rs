//! Pictures with their classes.

mod augment;
mod csv;
#[cfg(feature = "image")]
mod files;
mod pictures;
#[cfg(test)]
#[cfg(feature = "image")]
mod tests;

use std::{collections::BTreeMap, fmt, path::Path};

pub use augment::Augment;
pub use csv::{CsvImages, LabelColumn};
pub use pictures::Pictures;

use super::{error::DataError, read};

/// How a zip begins.
const ZIP: &[u8] = b"PK";
/// Bytes of a file of pictures: four times what a table may have.
const MOST_BYTES: usize = 256 << 20;
/// Numbers of all pictures together: 256 MiB of `f32`.
const MOST_PIXELS: usize = 1 << 26;
/// A column with more different texts is none of classes.
const MOST_CLASSES: usize = 1000;

/// Pictures of one size with a class each, in one store, `[images, channels, height, width]`.
///
/// Pixels keep the numbers that they have in the file: [`range`](Self::range) says what is black and what is white. They come
/// from CSV, and with the feature `image` from PNG and JPEG files in a folder or a zip of class folders: a picture's class
/// is the name of the folder that it lies in. Those are all resized to one size, by linear interpolation where they grow
/// and by the mean over a triangle of what falls together where they shrink.
///
/// ```
/// # use azura_learner::data::{CsvImages, Images};
/// // Two pictures of 2 by 2 pixels; the class is the last number of each line.
/// let images = Images::from_csv(b"0,16,0,16,7\n16,16,16,16,3\n", &CsvImages::default())?;
/// assert_eq!((images.len(), images.shape(), images.range()), (2, [1, 2, 2], (0.0, 16.0)));
/// assert_eq!((images.classes(), images.labels()), (&["3".to_owned(), "7".to_owned()][..], &[1, 0][..]));
/// assert_eq!(images.image(0), [0.0, 16.0, 0.0, 16.0]);
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Images {
    pixels: Vec<f32>,
    /// Channels, height, width.
    shape: [usize; 3],
    labels: Vec<u32>,
    classes: Vec<String>,
    range: (f32, f32),
}

impl Images {
    /// Reads what is a zip of class folders if it begins like a zip, and a CSV file if not. `size` is height and width: that
    /// to which pictures of a zip are resized (default: that of the first), or that of the pictures in a CSV file (default:
    /// square).
    ///
    /// # Errors
    /// As [`Images::from_csv`] and [`Images::from_zip`]; for a zip without the feature `image`.
    pub fn from_bytes(bytes: &[u8], size: Option<[usize; 2]>) -> Result<Self, DataError> {
        if bytes.len() > MOST_BYTES {
            return Err(DataError::TooLarge { limit: MOST_BYTES, what: "bytes" });
        }
        if bytes.starts_with(ZIP) {
            return Self::of_zip(bytes, size);
        }
        Self::from_csv(bytes, &CsvImages { size, ..CsvImages::default() })
    }

    /// Reads a folder of class folders, or a file as [`Images::from_bytes`].
    ///
    /// # Errors
    /// As there, [`DataError::Io`], and [`DataError::File`] if it is neither a zip nor, by its name, a CSV file.
    pub fn open(path: &Path, size: Option<[usize; 2]>) -> Result<Self, DataError> {
        if path.is_dir() {
            return Self::of_folder(path, size);
        }
        let bytes = read::whole(path, MOST_BYTES)?;
        if !bytes.starts_with(ZIP) {
            read::expect_csv(path)?;
        }
        Self::from_bytes(&bytes, size)
    }

    #[cfg(feature = "image")]
    fn of_zip(bytes: &[u8], size: Option<[usize; 2]>) -> Result<Self, DataError> {
        Self::from_zip(bytes, size)
    }

    #[cfg(feature = "image")]
    fn of_folder(path: &Path, size: Option<[usize; 2]>) -> Result<Self, DataError> {
        Self::from_folder(path, size)
    }

    #[cfg(not(feature = "image"))]
    fn of_zip(_: &[u8], _: Option<[usize; 2]>) -> Result<Self, DataError> {
        Err(no_decoder("the zip"))
    }

    #[cfg(not(feature = "image"))]
    fn of_folder(path: &Path, _: Option<[usize; 2]>) -> Result<Self, DataError> {
        Err(no_decoder(&path.display().to_string()))
    }

    /// Puts together what was read: `labels` are the classes' names.
    fn new(
        pixels: Vec<f32>,
        shape: [usize; 3],
        labels: &[String],
        range: (f32, f32),
    ) -> Result<Self, DataError> {
        let mut classes: Vec<&String> = labels.iter().collect();
        // Numbers in their own order: 2 before 10.
        let number = |name: &String| name.parse::<i64>().ok();
        if classes.iter().all(|name| number(name).is_some()) {
            classes.sort_by_key(|name| (number(name), *name));
        } else {
            classes.sort();
        }
        classes.dedup();
        if classes.len() > MOST_CLASSES {
            return Err(DataError::TooLarge { limit: MOST_CLASSES, what: "classes" });
        }
        let index: BTreeMap<&String, u32> = classes.iter().copied().zip(0..).collect();
        let labels = labels.iter().map(|name| index[name]).collect();
        Ok(Self { pixels, shape, labels, classes: classes.into_iter().cloned().collect(), range })
    }

    /// How many there are; at least one.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Channels (1 for grey, 3 for red, green and blue), height and width of each.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The numbers of a picture, `[channels, height, width]`, row by row.
    ///
    /// # Panics
    /// If there are not so many pictures.
    pub fn image(&self, i: usize) -> &[f32] {
        let size = self.shape.iter().product();
        &self.pixels[i * size..][..size]
    }

    /// The class of each, as its place in [`classes`](Self::classes).
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The classes' names: whole numbers in their order, other names in alphabetical order.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The numbers that stand for black and for white: 0 and 255 for PNG and JPEG; for CSV what was said, or the least
    /// and the greatest of all pixels.
    pub fn range(&self) -> (f32, f32) {
        self.range
    }
}

#[cfg(not(feature = "image"))]
fn no_decoder(name: &str) -> DataError {
    DataError::file(name, "PNG and JPEG pictures need azura-learner's feature `image`; a CSV file does not")
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Images")
            .field("len", &self.len())
            .field("shape", &self.shape)
            .field("classes", &self.classes)
            .finish_non_exhaustive()
    }
}
