//! How much a model relies on each of its inputs.

use azura_core::Tensor;

use super::prepare::Prepared;
use crate::{
    Batch, DataLoader, Dataset, Learner, Module, Result,
    data::Windows,
    loader::gather,
    results::FeatureImportance,
    rng::{shuffle, stream},
};

/// Windows that are asked about at most, evenly spread.
const MOST_WINDOWS: usize = 1000;
/// Apart from the streams by which a training is shuffled, which are numbered from 1, and that of its forward passes.
const STREAM: u64 = u64::MAX - 1;

/// By how much the error (RMSE, in real units) rises when one input comes from other windows, drawn by `seed` (Breiman 2001; Fisher et al.
/// 2019): once for each input, on the validation part, or on the test part where there is none.
pub(super) fn importance<M: Module>(
    prepared: &Prepared,
    learner: &Learner<M>,
    batch_size: usize,
    seed: u64,
) -> Result<Vec<FeatureImportance>> {
    let windows = prepared.validation.as_ref().unwrap_or(&prepared.test);
    let step = windows.len().div_ceil(MOST_WINDOWS).max(1);
    let chosen: Vec<usize> = (0..windows.len()).step_by(step).collect();
    let mut others = chosen.clone();
    shuffle(&mut stream(seed, STREAM), &mut others);
    let rmse = |feature| -> Result<Option<f64>> {
        let asked = Shuffled { windows, chosen: &chosen, others: &others, feature };
        let output = learner.evaluate(&mut DataLoader::new(asked, batch_size), true)?.output;
        let output = output.map(|output| output.to_vec()).unwrap_or_default();
        Ok(prepared.forecast_of(windows, &chosen, &output).rmse())
    };
    let unshuffled = rmse(None)?;
    let names = prepared.inputs.feature_cols().into_iter().enumerate();
    let rises = names.map(|(i, feature)| {
        let rmse_increase = rmse(Some(i))?.zip(unshuffled).map(|(shuffled, plain)| shuffled - plain);
        Ok(FeatureImportance { feature, rmse_increase })
    });
    rises.collect()
}

/// Windows, one feature of which is that of other windows, in all their rows.
struct Shuffled<'a> {
    windows: &'a Windows,
    chosen: &'a [usize],
    others: &'a [usize],
    feature: Option<usize>,
}

impl Dataset for Shuffled<'_> {
    type X = Tensor;
    type Y = Tensor;

    fn len(&self) -> usize {
        self.chosen.len()
    }

    fn batch(&self, indices: &[usize], last: Option<Batch>) -> Result<Batch> {
        let of = |all: &[usize]| indices.iter().map(|&i| all[i]).collect::<Vec<_>>();
        let mut batch = self.windows.batch(&of(self.chosen), last)?;
        if let Some(feature) = self.feature {
            let theirs = self.windows.batch(&of(self.others), None)?.x.to_vec();
            let (shape, width) = (batch.x.shape().to_vec(), self.windows.features());
            batch.x = gather(&shape, Some(batch.x), |mine| {
                let places = (feature..mine.len()).step_by(width);
                places.for_each(|i| mine[i] = theirs[i]);
            });
        }
        Ok(batch)
    }
}
