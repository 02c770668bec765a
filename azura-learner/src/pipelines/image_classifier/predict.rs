//! Classes of pictures that a request holds.

use azura_core::Tensor;
use serde::Serialize;
use serde_json::Value;

use super::{classes_of, config::Config, network::network, prepare::Inputs};
use crate::{
    Cx, Module, PipelineError, Prediction, SavedRun,
    config::{Invalid, Problem, found, pointer},
};

/// Pictures of a request at most.
const MOST: usize = 1000;

#[derive(Serialize)]
struct Answer<'a> {
    /// The class of the first picture.
    prediction: &'a str,
    predictions: Vec<Predicted<'a>>,
    class_names: &'a [String],
}

#[derive(Serialize)]
struct Predicted<'a> {
    class: &'a str,
    /// How sure the model is of that class.
    probability: f32,
    /// How sure it is of each, in the order of `class_names`.
    probabilities: &'a [f32],
}

pub(super) fn predict(
    config: &Config,
    run: &SavedRun<'_>,
    request: &Value,
) -> Result<Prediction, PipelineError> {
    let inputs: Inputs = run.json("inputs.json")?;
    let pictures = read(request, &inputs).map_err(|problems| PipelineError::Request(Invalid(problems)))?;
    let classes = inputs.class_names.len();
    let mut network = network(&config.model_params, inputs.shape, classes, config.training_params.seed)?;
    run.load(&mut network)?;

    let [channels, height, width] = inputs.shape;
    let shape = [pictures.len() / (channels * height * width), channels, height, width];
    let logits = network.forward(&Tensor::from_vec(&shape, pictures)?, &mut Cx::eval())?;
    let probabilities = logits.softmax(-1)?.to_vec();
    let name = |class: u32| inputs.class_names[class as usize].as_str();
    let predictions: Vec<Predicted<'_>> = classes_of(&probabilities, classes)
        .zip(probabilities.chunks(classes))
        .map(|((class, probability), probabilities)| Predicted {
            class: name(class),
            probability,
            probabilities,
        })
        .collect();
    let prediction = predictions.first().map_or("", |first| first.class);
    Prediction::of(&Answer { prediction, predictions, class_names: &inputs.class_names })
}

/// The pixels of `{"data": [[..], ..]}`, scaled. They may be too many for the check that configs get.
fn read(request: &Value, inputs: &Inputs) -> Result<Vec<f32>, Vec<Problem>> {
    let [channels, height, width] = inputs.shape;
    let size = channels * height * width;
    let one = |pointer: &str, message: String| vec![Problem::new(pointer, message)];
    let wanted = format!(
        "a picture is a list of {size} numbers, {channels} by {height} by {width} (channels, height, width)"
    );
    let Some(fields) = request.as_object() else {
        return Err(one("", "expected an object with the key `data`".into()));
    };
    if let Some(other) = fields.keys().find(|key| *key != "data") {
        return Err(one(&pointer("", other), "unknown key; allowed: `data`".into()));
    }
    let rows = match fields.get("data") {
        Some(Value::Array(rows)) if (1..=MOST).contains(&rows.len()) => rows,
        Some(Value::Array(rows)) => {
            return Err(one("/data", format!("{} pictures; 1 to {MOST} are allowed", rows.len())));
        }
        _ => return Err(one("/data", format!("expected a list of pictures; {wanted}"))),
    };
    let (black, white) = inputs.range;
    let mut out = Vec::with_capacity(rows.len() * size);
    for (i, row) in rows.iter().enumerate() {
        let Some(pixels) = row.as_array().filter(|pixels| pixels.len() == size) else {
            let found =
                row.as_array().map_or_else(|| found(row), |pixels| format!("{} entries", pixels.len()));
            return Err(one(&format!("/data/{i}"), format!("{wanted}; found {found}")));
        };
        for (j, pixel) in pixels.iter().enumerate() {
            // A model has seen nothing beyond them, and would be sure of itself all the same.
            let inside = pixel.as_f64().filter(|x| (black.into()..=white.into()).contains(x));
            out.push(inside.map(|x| inputs.scaler.transform(x)).ok_or_else(|| {
                let message = format!("expected a number from {black} to {white}, found {}", found(pixel));
                one(&format!("/data/{i}/{j}"), message)
            })?);
        }
    }
    Ok(out)
}
