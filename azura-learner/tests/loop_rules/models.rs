//! What the loop asks of a model and of its data.

use super::data;
use azura_core::{Param, Tensor, ndarray};
use azura_learner::{
    Adam, BatchNorm1d, Cx, DataLoader, Learner, Linear, Module, Result, Sequential, Sgd, StateDict,
    parameters, seeded,
};

/// A model that takes something else than a tensor: the loop does not care.
struct Lookup(Param);

impl Module<Vec<usize>> for Lookup {
    fn forward(&self, x: &Vec<usize>, cx: &mut Cx) -> Result<Tensor> {
        let table = cx.param(&self.0);
        let rows: Vec<_> = x.iter().map(|&i| table.slice(0, i..i + 1)).collect::<Result<_, _>>()?;
        Ok(Tensor::concat(0, &rows.iter().collect::<Vec<_>>())?)
    }

    fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
        f("table", &self.0);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        f("table", &mut self.0);
    }
}

/// A product with two parameters, which are shown under these names; the second perhaps not at all.
struct Product {
    params: [Param; 2],
    saved: Vec<&'static str>,
    trained: Vec<&'static str>,
}

impl Module for Product {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        Ok(x.mul(&cx.param(&self.params[0]))?.mul(&cx.param(&self.params[1]))?)
    }

    fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
        self.saved.iter().zip(&self.params).for_each(|(name, param)| f(name, param));
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        self.trained.iter().zip(&mut self.params).for_each(|(name, param)| f(name, param));
    }
}

#[test]
fn a_model_that_does_not_show_its_parameters_is_refused() {
    let fit = |saved: &[&'static str], trained: &[&'static str]| {
        let params = [1.0, 2.0].map(|value| Param::new(ndarray::arr1(&[value])));
        let model = Product { params, saved: saved.to_vec(), trained: trained.to_vec() };
        Learner::new(model, Sgd::new(0.1), Tensor::mse).fit(&mut data(4), None, 1).map_err(|e| e.to_string())
    };
    assert!(fit(&["a", "b"], &["a", "b"]).is_ok());
    let refused = [
        (fit(&["a"], &["a"]), r#"2 parameters have a gradient, but `visit_mut` shows 1 of them: ["a"]"#),
        (fit(&[], &["a", "b"]), r#"`visit` shows the parameters [], but `visit_mut` ["a", "b"]"#),
        (
            fit(&["a", "b"], &["b", "a"]),
            r#"`visit` shows the parameters ["a", "b"], but `visit_mut` ["b", "a"]"#,
        ),
        (fit(&["a", "a"], &["a", "a"]), "two of its parameters are named `a`"),
    ];
    for (found, why) in refused {
        assert_eq!(found.unwrap_err(), format!("the model cannot be trained: {why}"));
    }
}

struct Words;

impl azura_learner::Dataset for Words {
    type X = Vec<usize>;
    type Y = Tensor;

    fn len(&self) -> usize {
        3
    }

    fn batch(
        &self,
        indices: &[usize],
        _: Option<azura_learner::Batch<Vec<usize>, Tensor>>,
    ) -> Result<azura_learner::Batch<Vec<usize>, Tensor>> {
        let y = indices.iter().map(|&i| i as f32 * 10.0).collect();
        let y = Tensor::from_vec(&[indices.len(), 1], y)?;
        Ok(azura_learner::Batch { x: indices.to_vec(), y, len: indices.len() })
    }
}

#[test]
fn inputs_may_be_anything() {
    let table = Param::new(ndarray::Array2::<f32>::zeros((3, 1)));
    let mut learner = Learner::new(Lookup(table), Adam::new(1.0), |y: &Tensor, t: &Tensor| y.mse(t));
    learner.fit(&mut DataLoader::new(Words, 3), None, 300).unwrap();
    let found = learner.model().0.as_slice();
    assert!(found.iter().zip([0.0, 10.0, 20.0]).all(|(a, b)| (a - b).abs() < 0.1), "{found:?}");
}

#[test]
fn statistics_of_a_batch_enter_after_its_step_and_serve_the_validation() {
    // Two batches of x = 0, 1/4 and 1/2, 3/4: means 1/8 and 5/8.
    let model = Sequential::new().push(BatchNorm1d::new(1)).push(Linear::new(1, 1, &mut seeded(1)));
    let mut learner = Learner::new(model, Sgd::new(0.0), Tensor::mse);
    let before = learner.evaluate(&mut data(4), false).unwrap().loss;
    learner.fit(&mut data(4), None, 1).unwrap();
    let state = StateDict::of(&parameters(learner.model_mut()));
    let mean = f64::from(state.get("0.running_mean").unwrap().1[0]);
    assert!((mean - (0.9 * 0.1 * 0.125 + 0.1 * 0.625)).abs() < 1e-7, "{mean}");
    assert!((learner.evaluate(&mut data(4), false).unwrap().loss - before).abs() > 1e-3);
}
