//! PNG and JPEG pictures in class folders, or in a zip of such.

use std::{
    fs,
    io::{Cursor, Read},
    path::Path,
};

use image::{DynamicImage, ImageFormat, ImageReader, imageops, imageops::FilterType};
use zip::ZipArchive;

use super::{Images, MOST_BYTES, MOST_PIXELS};
use crate::data::{DataError, read};

/// Pictures at most.
const MOST_FILES: usize = 200_000;
/// Bytes of a picture's file.
const MOST_FILE_BYTES: usize = 64 << 20;
/// Bytes of a decoded picture: 6000 by 5000 in colour.
const MOST_DECODED_BYTES: u64 = 96 << 20;
/// Bytes of all files of a zip, unpacked.
const MOST_UNPACKED_BYTES: usize = 1 << 30;

impl Images {
    /// Reads a folder of class folders, resized to `size` (height, width), or else to the size of the first picture. They are
    /// grey if the first one is, and red, green and blue otherwise; what is transparent is as if it were not.
    ///
    /// Files whose names do not end in `.png`, `.jpg` or `.jpeg`, and names that begin with a dot, are passed over.
    ///
    /// # Errors
    /// [`DataError::File`] names the file and what is wrong with it; [`DataError::Io`], [`DataError::TooLarge`].
    pub fn from_folder(folder: &Path, size: Option<[usize; 2]>) -> Result<Self, DataError> {
        let mut builder = Builder::new(size)?;
        for class in entries(folder)? {
            if !folder.join(&class).is_dir() {
                if is_picture(&class) {
                    return Err(DataError::file(class, NO_CLASS));
                }
                continue;
            }
            for name in entries(&folder.join(&class))?.into_iter().filter(|name| is_picture(name)) {
                let path = folder.join(&class).join(&name);
                let bytes = read::whole(&path, MOST_FILE_BYTES)?;
                builder.push(&format!("{class}/{name}"), &class, &bytes)?;
            }
        }
        builder.finish(&folder.display().to_string())
    }

    /// As [`Images::from_folder`], for a zip: a picture's class is the folder that it lies in, wherever that is. Nothing is
    /// unpacked to the disk.
    ///
    /// # Errors
    /// As there.
    pub fn from_zip(bytes: &[u8], size: Option<[usize; 2]>) -> Result<Self, DataError> {
        const ZIP: &str = "the zip";
        if bytes.len() > MOST_BYTES {
            return Err(DataError::TooLarge { limit: MOST_BYTES, what: "bytes" });
        }
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| DataError::file(ZIP, e))?;
        let mut names = Vec::new();
        for (index, name) in archive.file_names().enumerate() {
            let name = name.map_err(|e| DataError::file(ZIP, e))?.into_owned();
            if is_picture(&name) && !name.split('/').any(|part| part == "__MACOSX") {
                names.push((name, index));
            }
        }
        names.sort_unstable();
        let mut builder = Builder::new(size)?;
        let mut left = MOST_UNPACKED_BYTES;
        for (name, index) in names {
            if name.starts_with('/') || name.split(['/', '\\']).any(|part| part == "..") {
                return Err(DataError::file(&name, "leads out of the zip"));
            }
            let class = name.rsplit('/').nth(1).filter(|class| !["", "."].contains(class));
            let class = class.ok_or_else(|| DataError::file(&name, NO_CLASS))?;
            let file = archive.by_index(index).map_err(|e| DataError::file(&name, e))?;
            let limit = left.min(MOST_FILE_BYTES);
            let mut unpacked = Vec::new();
            // What the zip says of its size may be wrong.
            file.take(limit as u64 + 1).read_to_end(&mut unpacked).map_err(|e| DataError::file(&name, e))?;
            if unpacked.len() > limit {
                return Err(DataError::file(&name, format!("unpacks to more than {limit} bytes")));
            }
            left -= unpacked.len();
            builder.push(&name, class, &unpacked)?;
        }
        builder.finish(ZIP)
    }
}

const NO_CLASS: &str = "lies in no folder; a picture's class is the name of the folder that it lies in";

/// The names in a folder, in their order, without hidden ones.
fn entries(folder: &Path) -> Result<Vec<String>, DataError> {
    let error = |source| DataError::Io { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        let name = entry.map_err(error)?.file_name();
        let name = name.into_string().map_err(|name| {
            DataError::file(folder.join(name).display().to_string(), "its name is not valid UTF-8 text")
        })?;
        if names.len() == MOST_FILES {
            return Err(DataError::TooLarge { limit: MOST_FILES, what: "files" });
        }
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Whether a name is that of a picture, and not hidden.
fn is_picture(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    let ending = file.rsplit('.').next().unwrap_or_default();
    !file.starts_with('.') && ["png", "jpg", "jpeg"].iter().any(|known| known.eq_ignore_ascii_case(ending))
}

struct Builder {
    size: Option<[usize; 2]>,
    channels: usize,
    pixels: Vec<f32>,
    labels: Vec<String>,
}

impl Builder {
    fn new(size: Option<[usize; 2]>) -> Result<Self, DataError> {
        let fits = |[height, width]: [usize; 2]| {
            height.checked_mul(width).is_some_and(|n| (1..=MOST_PIXELS).contains(&n))
        };
        if size.is_some_and(|size| !fits(size)) {
            return Err(DataError::TooLarge { limit: MOST_PIXELS, what: "pixels" });
        }
        Ok(Self { size, channels: 0, pixels: Vec::new(), labels: Vec::new() })
    }

    fn push(&mut self, name: &str, class: &str, bytes: &[u8]) -> Result<(), DataError> {
        let image = decode(bytes).map_err(|problem| DataError::File { name: name.to_owned(), problem })?;
        if self.channels == 0 {
            self.channels = if image.color().has_color() { 3 } else { 1 };
        }
        let [height, width] = *self.size.get_or_insert([image.height() as usize, image.width() as usize]);
        if self.labels.len() == MOST_FILES {
            return Err(DataError::TooLarge { limit: MOST_FILES, what: "files" });
        }
        if self.pixels.len() + self.channels * height * width > MOST_PIXELS {
            return Err(DataError::TooLarge { limit: MOST_PIXELS, what: "pixels" });
        }
        let (h, w) = (height as u32, width as u32);
        let same = (image.height(), image.width()) == (h, w);
        let bytes = if self.channels == 1 {
            let grey = image.into_luma8();
            if same { grey } else { imageops::resize(&grey, w, h, FilterType::Triangle) }.into_raw()
        } else {
            let rgb = image.into_rgb8();
            if same { rgb } else { imageops::resize(&rgb, w, h, FilterType::Triangle) }.into_raw()
        };
        for channel in 0..self.channels {
            self.pixels
                .extend(bytes.iter().skip(channel).step_by(self.channels).map(|&byte| f32::from(byte)));
        }
        self.labels.push(class.to_owned());
        Ok(())
    }

    fn finish(self, what: &str) -> Result<Images, DataError> {
        let Some([height, width]) = self.size.filter(|_| !self.labels.is_empty()) else {
            return Err(DataError::file(what, "there is no PNG or JPEG picture in its class folders"));
        };
        Images::new(self.pixels, [self.channels, height, width], &self.labels, (0.0, 255.0))
    }
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, String> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
        return Err("is neither a PNG nor a JPEG picture".into());
    }
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(MOST_DECODED_BYTES);
    reader.limits(limits);
    reader.decode().map_err(|e| e.to_string())
}
