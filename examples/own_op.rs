//! Adds an operation in another crate through `record`, checks its derivative, and trains a layer made of it.
//!
//! ```text
//! cargo run --release -p azura-examples --bin own_op
//! ```
//!
//! The operation is the activation Snake, `x + sin²(a x) / a`, of Ziyin, Hartwig and Ueda, "Neural Networks Fail to
//! Learn Periodic Functions and How to Fix It" (2020). How fast each feature swings, `a`, is learned.

#![expect(clippy::print_stdout, reason = "a program for people")]

use azura_learner::{
    Adam, Cx, DataLoader, Learner, Linear, Module, Result, Sequential, TensorDataset,
    azura_core::{
        self, Element, Error, Param, Tensor, TensorBase, gradcheck,
        ndarray::{Array, Axis, Zip},
    },
    seeded,
};

/// `x + sin²(a x) / a` for `x` of shape `[.., n]` and `a` of shape `[n]`. Of any number type, so that what is checked
/// in `f64` is what trains in `f32`.
fn snake<E: Element>(x: &TensorBase<E>, a: &TensorBase<E>) -> azura_core::Result<TensorBase<E>> {
    if a.shape().len() != 1 || x.shape().last() != a.shape().last() {
        let (left, right) = (x.shape().to_vec(), a.shape().to_vec());
        return Err(Error::Shapes { op: "snake", left, right, why: "wants x [.., n], a [n]".to_owned() });
    }
    TensorBase::record("snake", &[x, a], |inputs| {
        let (x, a) = (inputs.data(0).clone(), inputs.data(1).clone());
        let (needs_x, needs_a) = (inputs.needs(0), inputs.needs(1));
        let y = Zip::from(&x).and_broadcast(&a).map_collect(|&x, &a| x + (a * x).sin().powi(2) / a);
        // Both derivatives have sin(2 a x), which is 2 sin(a x) cos(a x).
        let vjp = move |grad| {
            let two = E::of(2.0);
            let all = Zip::from(&grad).and(&x).and_broadcast(&a);
            let dx = needs_x.then(|| {
                all.clone().map_collect(|&g, &x, &a| g * (E::one() + (two * a * x).sin())).into_shared()
            });
            let da = needs_a.then(|| {
                let mut da = all
                    .map_collect(|&g, &x, &a| g * ((two * a * x).sin() * x - (a * x).sin().powi(2) / a) / a);
                // `a` was repeated along all axes but the last.
                while da.ndim() > 1 {
                    da = da.sum_axis(Axis(0));
                }
                da.into_shared()
            });
            Ok(vec![dx, da])
        };
        Ok((y.into_shared(), Box::new(vjp)))
    })
}

/// A layer of the operation, for `[.., n]`.
struct Snake {
    a: Param,
}

impl Module for Snake {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        Ok(snake(x, &cx.param(&self.a))?)
    }

    fn visit(&self, f: &mut dyn FnMut(&str, &Param)) {
        f("a", &self.a);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        f("a", &mut self.a);
    }
}

fn main() -> Result<()> {
    let x = Array::from_shape_fn(vec![2, 3, 4], |i| (i[0] * 12 + i[1] * 4 + i[2]) as f64 / 8.0 - 1.5);
    let a = Array::from_shape_fn(vec![4], |i| 0.5 + i[0] as f64);
    let report = gradcheck(|x| snake(&x[0], &x[1]), &[x, a])?;
    println!("derivatives of {} numbers, off by {:.1e} at most", report.checked, report.max_error);

    // Three periods of a sine, and a slope.
    let x: Vec<f32> = (0..128).map(|i| i as f32 / 64.0 - 1.0).collect();
    let y = x.iter().map(|x| (3.0 * std::f32::consts::PI * x).sin() + x).collect();
    let data = TensorDataset::new(&Tensor::from_vec(&[128, 1], x)?, &Tensor::from_vec(&[128, 1], y)?)?;

    let rng = &mut seeded(7);
    let snake = Snake { a: Param::new(Array::from_elem(32, 5.0)) };
    let model = Sequential::new().push(Linear::new(1, 32, rng)).push(snake).push(Linear::new(32, 1, rng));
    let mut learner = Learner::new(model, Adam::new(0.01), Tensor::mse);
    let fit = learner.fit(&mut DataLoader::new(data, 16).shuffle(7), None, 60)?;
    for (loss, epoch) in fit.history.get("loss").iter().flatten().zip(1..) {
        if epoch % 10 == 0 {
            println!("epoch {epoch:2}: loss {loss:.5}");
        }
    }
    Ok(())
}
