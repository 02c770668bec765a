//! What a training is asked for before it does harm.

use crate::{Error, Parameters, Result};
use azura_core::Grads;
use std::collections::BTreeSet;

/// A parameter that `visit_mut` does not show would never train, one that `visit` does not show would not be saved,
/// and two of one name would be saved as one.
pub(super) fn check_visits(model: &mut dyn Parameters, grads: &Grads<f32>) -> Result<()> {
    let (mut saved, mut trained, mut with_gradient) = (Vec::new(), Vec::new(), BTreeSet::new());
    model.visit(&mut |name, _| saved.push(name.to_owned()));
    model.visit_mut(&mut |name, param| {
        trained.push(name.to_owned());
        with_gradient.extend(grads.get(param).map(|_| param.id()));
    });
    let twice = trained.iter().enumerate().find_map(|(i, name)| trained[..i].contains(name).then_some(name));
    let why = if saved != trained {
        format!("`visit` shows the parameters {saved:?}, but `visit_mut` {trained:?}")
    } else if let Some(name) = twice {
        format!("two of its parameters are named `{name}`")
    } else if with_gradient.len() < grads.len() {
        let (all, found) = (grads.len(), with_gradient.len());
        format!("{all} parameters have a gradient, but `visit_mut` shows {found} of them: {trained:?}")
    } else {
        return Ok(());
    };
    Err(Error::Argument(format!("the model cannot be trained: {why}")))
}
