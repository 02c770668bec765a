//! From a config to pictures that a model can train on.

use std::{path::Path, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{config::Config, network::too_big};
use crate::{
    config::{Invalid, Problem, check_again},
    data::{Images, Pictures, Scaler, Split, count, shown},
    pipeline::Sources,
};

/// A config's pictures, ready for training.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Prepared {
    /// All of them.
    pub images: Arc<Images>,
    /// What the model learns from.
    pub train: Pictures,
    /// What the training is watched by, where that is wanted.
    pub validation: Option<Pictures>,
    /// What the model is judged by.
    pub test: Pictures,
    /// What a picture must be, and how it becomes model input: to be saved with the model.
    pub inputs: Inputs,
}

/// What a picture must be, and how it becomes model input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Inputs {
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// The numbers that stand for black and for white.
    pub range: (f32, f32),
    /// How pixels are scaled: fitted to those of the training part.
    pub scaler: Scaler,
    /// The classes' names.
    pub class_names: Vec<String>,
}

/// What the schema and the pictures say against a config; empty if there is nothing.
pub(super) fn check_data(config: &Config, sources: &Sources) -> Vec<Problem> {
    prepare(config, sources).err().map(|invalid| invalid.0).unwrap_or_default()
}

/// Reads, splits and scales the pictures of a config.
///
/// # Errors
/// [`Invalid`] with the problems that the schema and the pictures tell of.
pub fn prepare(config: &Config, sources: &Sources) -> Result<Prepared, Invalid> {
    check_again(config)?;
    let (pointer, images) =
        open(config, sources).map_err(|problem| Invalid(vec![problem.of(&["/data_sourcing"])]))?;
    let training = &config.training_params;
    let split =
        Split::stratified(images.labels(), training.validation_size, training.test_size, training.seed);
    let mut problems = training.problems();
    problems
        .extend(too_few(&images, &split, training.validation_size > 0.0).map(|m| Problem::new(pointer, m)));
    let [_, height, width] = images.shape();
    if config.augmentation.shift >= height.min(width) {
        let most = height.min(width) - 1;
        let message = format!("moves pictures of {height} by {width} pixels out of sight; at most {most}");
        problems.push(Problem::new("/augmentation/shift", message));
    }
    problems.extend(too_big(config, images.shape(), images.classes().len(), split.train.len()));
    if !problems.is_empty() {
        return Err(Invalid(problems));
    }

    let images = Arc::new(images);
    let pixels = split.train.iter().flat_map(|&i| images.image(i)).map(|&x| f64::from(x));
    let scaler = Scaler::standard(pixels);
    let part = |indices: Vec<usize>| Pictures::new(Arc::clone(&images), indices, scaler);
    Ok(Prepared {
        train: part(split.train).augmented(config.augmentation.clone(), training.seed),
        validation: (!split.validation.is_empty()).then(|| part(split.validation)),
        test: part(split.test),
        inputs: Inputs {
            shape: images.shape(),
            range: images.range(),
            scaler,
            class_names: images.classes().to_vec(),
        },
        images,
    })
}

/// The pictures, and the key of the config that names them.
fn open(config: &Config, sources: &Sources) -> Result<(&'static str, Images), Problem> {
    let sourcing = &config.data_sourcing;
    let size = match (sourcing.height, sourcing.width) {
        (Some(height), Some(width)) => Some([height, width]),
        (None, None) => None,
        (None, _) => return Err(Problem::new("/data_sourcing/height", "is needed beside `width`")),
        (_, None) => return Err(Problem::new("/data_sourcing/width", "is needed beside `height`")),
    };
    let (pointer, images) = if let Some(file) = &sourcing.file {
        let pointer = "/data_sourcing/file";
        if !sources.allow_files {
            let message = "files can be named on the command line only; name a data set instead";
            return Err(Problem::new(pointer, message));
        }
        (pointer, Images::open(Path::new(file), size))
    } else {
        let set = sources.datasets.get(&sourcing.dataset);
        ("/data_sourcing/dataset", set.and_then(|set| set.pictures(size)))
    };
    Ok((pointer, images.map_err(|error| Problem::new(pointer, error.to_string()))?))
}

/// Why these classes cannot be learned and judged.
fn too_few(images: &Images, split: &Split, with_validation: bool) -> Option<String> {
    let classes = images.classes();
    if let [only] = classes {
        return Some(format!("all pictures are of one class, {}; two or more are needed", shown(only)));
    }
    let mut parts = vec![("training", &split.train), ("test", &split.test)];
    if with_validation {
        parts.insert(1, ("validation", &split.validation));
    }
    let any = |indices: &[usize], class: usize| indices.iter().any(|&i| images.labels()[i] as usize == class);
    classes.iter().enumerate().find_map(|(class, name)| {
        let (part, _) = parts.iter().find(|(_, indices)| !any(indices, class))?;
        let all = images.labels().iter().filter(|&&label| label as usize == class).count();
        Some(format!(
            "the class {} has {}, too few for one in the {part} part",
            shown(name),
            count(all, "picture")
        ))
    })
}
