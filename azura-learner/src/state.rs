//! State dicts: the parameters of a model by name, as safetensors.

use crate::{Parameters, Result};
use safetensors::{Dtype, SafeTensors, View};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt::{Display, Write as _},
};

/// Tensors by name: a copy of all parameters, or what an optimizer keeps for each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StateDict(BTreeMap<String, Values>);

#[derive(Debug, Clone, PartialEq)]
struct Values {
    shape: Vec<usize>,
    data: Vec<f32>,
}

/// Why a state dict could not be read or does not fit a model. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Not a safetensors file of 32-bit floats.
    #[error("not a state dict: {0}")]
    Format(String),
    /// Every name that does not fit.
    #[error("the state dict does not fit the model:{}", mismatch_text(missing, unknown, misshapen))]
    Mismatch {
        /// Names of the model that the dict lacks.
        missing: Vec<String>,
        /// Names of the dict that the model lacks.
        unknown: Vec<String>,
        /// Names with the model's shape and the dict's.
        misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
    },
    /// The state of another kind of optimizer.
    #[error(
        "the state is that of another optimizer: it holds {found} moments of each parameter, not {expected}"
    )]
    Optimizer {
        /// Moments in the state.
        found: usize,
        /// Moments that the optimizer keeps.
        expected: usize,
    },
}

fn mismatch_text(
    missing: &[String],
    unknown: &[String],
    misshapen: &[(String, Vec<usize>, Vec<usize>)],
) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for name in missing {
        let _ = write!(text, " `{name}` is missing;");
    }
    for name in unknown {
        let _ = write!(text, " `{name}` is unknown to the model;");
    }
    for (name, model, dict) in misshapen {
        let _ = write!(text, " `{name}` has shape {dict:?} where the model has {model:?};");
    }
    text.truncate(text.trim_end_matches(';').len());
    text
}

impl StateDict {
    /// A copy of the parameters of `model`. Of two with one name the last is copied; a training refuses such a model.
    ///
    /// ```
    /// use azura_learner::{Linear, StateDict, parameters, seeded};
    ///
    /// let mut layer = Linear::new(3, 2, &mut seeded(1));
    /// let state = StateDict::of(&parameters(&mut layer));
    /// let mut other = Linear::new(3, 2, &mut seeded(2));
    /// state.load_into(&mut parameters(&mut other))?;
    /// assert_eq!(StateDict::of(&parameters(&mut other)), state);
    /// assert_eq!(StateDict::from_bytes(&state.to_bytes())?, state);
    /// # Ok::<(), azura_learner::StateError>(())
    /// ```
    pub fn of(model: &dyn Parameters) -> Self {
        let mut all = BTreeMap::new();
        model.visit(&mut |name, param| {
            let values = Values { shape: param.shape().to_vec(), data: param.as_slice().to_vec() };
            all.insert(name.to_owned(), values);
        });
        Self(all)
    }

    /// Whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The shape and the elements, in row-major order, of one parameter.
    pub fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        self.0.get(name).map(|values| (&*values.shape, &*values.data))
    }

    /// The elements of this name, to be changed; zeros where there were none. `None` if they have another shape.
    ///
    /// ```
    /// let mut sums = azura_learner::StateDict::default();
    /// sums.get_or_zeros("weight", &[2]).unwrap()[0] += 1.5;
    /// assert_eq!(sums.get("weight"), Some((&[2][..], &[1.5, 0.0][..])));
    /// assert!(sums.get_or_zeros("weight", &[3]).is_none());
    /// ```
    pub fn get_or_zeros(&mut self, name: &str, shape: &[usize]) -> Option<&mut [f32]> {
        // Looked up first, so that a name is copied only once.
        if !self.0.contains_key(name) {
            let zeros = vec![0.0; shape.iter().product()];
            self.0.insert(name.to_owned(), Values { shape: shape.to_vec(), data: zeros });
        }
        self.0.get_mut(name).filter(|values| values.shape == shape).map(|values| &mut *values.data)
    }

    /// Whether these are the parameters of `model`.
    pub(crate) fn fits(&self, model: &dyn Parameters) -> Result<(), StateError> {
        let mut missing = Vec::new();
        let mut misshapen = Vec::new();
        let mut unknown: BTreeSet<&str> = self.names().collect();
        model.visit(&mut |name, param| {
            unknown.remove(name);
            match self.0.get(name) {
                None => missing.push(name.to_owned()),
                Some(own) if own.shape != param.shape() => {
                    misshapen.push((name.to_owned(), param.shape().to_vec(), own.shape.clone()));
                }
                Some(_) => {}
            }
        });
        if missing.is_empty() && misshapen.is_empty() && unknown.is_empty() {
            return Ok(());
        }
        let unknown = unknown.into_iter().map(str::to_owned).collect();
        Err(StateError::Mismatch { missing, unknown, misshapen })
    }

    /// Sets the parameters of `model` to these.
    ///
    /// # Errors
    /// If a name is missing, unknown or has another shape: all such names at once, and nothing is changed.
    pub fn load_into(&self, model: &mut dyn Parameters) -> Result<(), StateError> {
        self.fits(model)?;
        model.visit_mut(&mut |name, param| {
            if let Some(own) = self.0.get(name) {
                param.update(|values| values.copy_from_slice(&own.data));
            }
        });
        Ok(())
    }

    /// The safetensors form: names, shapes and little-endian 32-bit floats; equal states give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serialize(self.0.iter(), None)
    }

    /// Several dicts as one file, each under names that begin with its prefix, beside a text. A checksum of it all tells
    /// a damaged file from a whole one.
    pub(crate) fn join<'a>(parts: impl IntoIterator<Item = (String, &'a Self)>, text: &str) -> Vec<u8> {
        let mut all = BTreeMap::new();
        for (prefix, part) in parts {
            all.extend(part.0.iter().map(|(name, values)| (format!("{prefix}{name}"), values)));
        }
        let sum = checksum(text, all.iter().map(|(name, values)| (name, *values)));
        serialize(all, Some(format!("{sum} {text}")))
    }

    /// What was [joined](Self::join): all the tensors, and the text.
    pub(crate) fn split(bytes: &[u8]) -> Result<(Self, String), StateError> {
        let all = Self::from_bytes(bytes)?;
        let (_, metadata) =
            SafeTensors::read_metadata(bytes).map_err(|error| StateError::Format(error.to_string()))?;
        let text = metadata.metadata().as_ref().and_then(|all| all.get(TEXT)?.split_once(' '));
        let Some((sum, text)) = text else {
            return Err(StateError::Format("it holds tensors and nothing beside them".into()));
        };
        if sum != checksum(text, all.0.iter()) {
            return Err(StateError::Format("its checksum is wrong".into()));
        }
        Ok((all, text.to_owned()))
    }

    /// Takes out the tensors whose names begin with `prefix`, which they lose: the state of one part of a model.
    ///
    /// ```
    /// use azura_learner::{Linear, Relu, Sequential, StateDict, parameters, seeded};
    ///
    /// let rng = &mut seeded(1);
    /// let mut model = Sequential::new().push(Linear::new(2, 3, rng)).push(Relu);
    /// let mut state = StateDict::of(&parameters(&mut model));
    /// let mut layer = Linear::new(2, 3, rng);
    /// state.take("0.").load_into(&mut parameters(&mut layer))?;
    /// assert!(state.is_empty());
    /// # Ok::<(), azura_learner::StateError>(())
    /// ```
    #[must_use]
    pub fn take(&mut self, prefix: &str) -> Self {
        let (taken, left) =
            std::mem::take(&mut self.0).into_iter().partition(|(name, _)| name.starts_with(prefix));
        self.0 = left;
        let taken: BTreeMap<String, Values> = taken;
        Self(taken.into_iter().map(|(name, values)| (name[prefix.len()..].to_owned(), values)).collect())
    }

    /// Reads the safetensors form.
    ///
    /// # Errors
    /// If the bytes are not that, or hold anything but 32-bit floats.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| StateError::Format(error.to_string()))?;
        let mut all = BTreeMap::new();
        for (name, view) in file.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(StateError::Format(format!("`{name}` is {:?}, not F32", view.dtype())));
            }
            let (numbers, _) = view.data().as_chunks::<4>();
            let data = numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            all.insert(name.to_owned(), Values { shape: view.shape().to_vec(), data });
        }
        Ok(Self(all))
    }
}

/// Where a file has the text beside its tensors, behind the checksum of both.
const TEXT: &str = "azura";

fn serialize<'a, N>(tensors: impl IntoIterator<Item = (N, &'a Values)>, text: Option<String>) -> Vec<u8>
where
    N: AsRef<str> + Ord + Display,
{
    // One key: the order of several would be chance, and equal states give equal bytes.
    let metadata = text.map(|text| [(TEXT.to_owned(), text)].into_iter().collect());
    match safetensors::serialize(tensors, metadata) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("names are unique and lengths follow from shapes: {error}"),
    }
}

/// FNV-1a of 64 bits over the text and every tensor's name, shape and bytes.
fn checksum<'a>(text: &str, tensors: impl Iterator<Item = (&'a String, &'a Values)>) -> String {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for &byte in bytes {
            sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    add(text.as_bytes());
    for (name, values) in tensors {
        add(name.as_bytes());
        values.shape.iter().for_each(|side| add(&side.to_le_bytes()));
        values.data.iter().for_each(|value| add(&value.to_le_bytes()));
    }
    format!("{sum:016x}")
}

impl View for &Values {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.data.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        size_of_val(&*self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Linear, Relu, Sequential, parameters, seeded};

    fn model(hidden: usize) -> Sequential {
        let rng = &mut seeded(1);
        Sequential::new().push(Linear::new(2, hidden, rng)).push(Relu).push(Linear::new(hidden, 1, rng))
    }

    #[test]
    fn every_name_that_does_not_fit_is_told_and_nothing_changes() {
        let mut small = Linear::new(2, 3, &mut seeded(1));
        let state = StateDict::of(&parameters(&mut model(3)));
        let before = StateDict::of(&parameters(&mut small));
        let error = state.load_into(&mut parameters(&mut small)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the state dict does not fit the model: `weight` is missing; `bias` is missing; \
             `0.bias` is unknown to the model; `0.weight` is unknown to the model; \
             `2.bias` is unknown to the model; `2.weight` is unknown to the model"
        );
        assert_eq!(StateDict::of(&parameters(&mut small)), before);

        let error = state.load_into(&mut parameters(&mut model(4))).unwrap_err();
        assert!(
            error.to_string().contains("`0.weight` has shape [3, 2] where the model has [4, 2]"),
            "{error}"
        );
    }

    #[test]
    fn broken_bytes_are_refused() {
        let good = StateDict::of(&parameters(&mut model(3))).to_bytes();
        for bytes in [&good[..good.len() - 1], &good[..7], b"", b"\xff\xff\xff\xff\xff\xff\xff\x7f{}"] {
            assert!(matches!(StateDict::from_bytes(bytes), Err(StateError::Format(_))));
        }
    }
}
