//! Where a training is put away, and where it goes on.

use super::{Learner, Run};
use crate::{
    Callback, Error, Module, Parameters, Result, Snapshot, SnapshotError, StateDict, parameters,
    snapshot::differences,
};
use std::{collections::VecDeque, sync::Arc};

impl<X: 'static, Y: 'static, M: Module<X>> Learner<M, X, Y> {
    /// Hands the state to those callbacks that have asked for it, at the end of an epoch.
    pub(super) fn hand_over(&mut self, run: &mut Run) -> Result<()> {
        let requests = std::mem::take(&mut run.requests.0);
        if requests.is_empty() {
            return Ok(());
        }
        let Some(rng) = run.forward.rng().cloned() else { return Ok(()) };
        let mut callbacks = Vec::new();
        for callback in &self.callbacks {
            let state = callback.save().map_err(|source| failed(callback, source))?;
            callbacks.extend(state.map(|state| (callback.name(), state)));
        }
        let snapshot = Arc::new(Snapshot {
            epoch: run.progress.epoch,
            step: run.progress.step,
            model: StateDict::of(&parameters(&mut self.model)),
            optimizer: self.optimizer.save(),
            rng,
            callbacks,
            history: run.history.clone(),
            stop: run.stop.clone(),
            config: self.config.clone(),
        });
        for request in requests {
            request(Arc::clone(&snapshot));
        }
        Ok(())
    }

    /// Puts everything where it was at the end of the snapshot's epoch; on an error nothing is changed.
    pub(super) fn restore(&mut self, run: &mut Run, snapshot: Snapshot) -> Result<()> {
        let mismatch = |text: String| Err(SnapshotError::Mismatch(text).into());
        let differing = differences(&snapshot.config, &self.config);
        if !differing.is_empty() {
            return Err(SnapshotError::Config(differing).into());
        }
        if snapshot.epoch > run.progress.total_epochs {
            let (epoch, total) = (snapshot.epoch, run.progress.total_epochs);
            return mismatch(format!("it is of epoch {epoch}, and {total} epochs are asked for"));
        }
        snapshot.model.fits(&parameters(&mut self.model))?;
        if let Some(name) = stray(&snapshot, &parameters(&mut self.model)) {
            return mismatch(format!("the optimizer's state of `{name}` is of another model"));
        }
        let before = self.optimizer.save();
        self.optimizer.load(snapshot.optimizer)?;
        if let Err(error) = self.load_callbacks(snapshot.callbacks) {
            self.optimizer.load(before)?;
            return Err(error);
        }
        snapshot.model.load_into(&mut parameters(&mut self.model))?;
        run.progress.epoch = snapshot.epoch;
        run.progress.step = snapshot.step;
        run.history = snapshot.history;
        run.stop = snapshot.stop;
        run.forward = crate::Cx::train(snapshot.rng);
        Ok(())
    }

    /// Gives each state to the callback of its name; of several of one name, in their order.
    fn load_callbacks(&mut self, states: Vec<(String, crate::CallbackState)>) -> Result<()> {
        let mut states = VecDeque::from(states);
        let mut pairs = Vec::new();
        for callback in &mut self.callbacks {
            let before = callback.save().map_err(|source| failed(callback, source))?;
            let name = callback.name();
            let place = states.iter().position(|(of, _)| *of == name);
            match (before, place.and_then(|place| states.remove(place))) {
                (before, Some((_, state))) => pairs.push((callback, before, state)),
                (Some(_), None) => {
                    return Err(SnapshotError::Mismatch(format!("it has no state of callback {name}")).into());
                }
                (None, None) => {}
            }
        }
        if let Some((name, _)) = states.front() {
            let text = format!("it has the state of a callback {name}, which this training has not");
            return Err(SnapshotError::Mismatch(text).into());
        }
        for i in 0..pairs.len() {
            let (callback, _, state) = &mut pairs[i];
            if let Err(source) = callback.load(std::mem::take(state)) {
                let error = failed(&**callback, source);
                for (callback, before, _) in &mut pairs[..i] {
                    // It has taken its own state before.
                    let _ = before.take().map(|before| callback.load(before));
                }
                return Err(error);
            }
        }
        Ok(())
    }
}

fn failed(callback: &impl Callback, source: crate::CallbackError) -> Error {
    Error::Callback { callback: callback.name(), source }
}

/// A name of the optimizer's that the model has not, or has with another shape.
fn stray(snapshot: &Snapshot, model: &dyn Parameters) -> Option<String> {
    let mut shapes = std::collections::BTreeMap::new();
    model.visit(&mut |name, param| {
        shapes.insert(name.to_owned(), param.shape().to_vec());
    });
    let mut all =
        snapshot.optimizer.moments.iter().flat_map(|moment| moment.names().map(move |name| (moment, name)));
    all.find(|(moment, name)| {
        moment.get(name).map(|(shape, _)| shape) != shapes.get(*name).map(Vec::as_slice)
    })
    .map(|(_, name)| name.to_owned())
}
