//! Gradients, returned by `backward`.

use crate::{Data, Element, ParamBase, param::ParamId};
use std::collections::BTreeMap;

/// The gradient of a scalar with respect to each parameter it depends on.
///
/// A plain value: keep it, add to it, hand it to an optimizer.
#[derive(Debug, Clone)]
pub struct Grads<E: Element>(BTreeMap<ParamId, Data<E>>);

impl<E: Element> Default for Grads<E> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<E: Element> Grads<E> {
    pub(crate) fn add(&mut self, param: ParamId, grad: Data<E>) {
        match self.0.get_mut(&param) {
            Some(sum) => *sum += &grad,
            None => {
                self.0.insert(param, grad);
            }
        }
    }

    /// The gradient with respect to `param`, in its shape; `None` if the scalar does not depend on it.
    pub fn get(&self, param: &ParamBase<E>) -> Option<&Data<E>> {
        self.0.get(&param.id())
    }

    /// Removes and returns the gradient with respect to `param`.
    pub fn take(&mut self, param: &ParamBase<E>) -> Option<Data<E>> {
        self.0.remove(&param.id())
    }

    /// How many parameters have a gradient.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no parameter has a gradient.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds another step's gradients to these: accumulation over several small batches.
    pub fn merge(&mut self, other: Self) {
        for (param, grad) in other.0 {
            self.add(param, grad);
        }
    }

    /// Multiplies every gradient by `factor`.
    pub fn scale(&mut self, factor: E) {
        for grad in self.0.values_mut() {
            grad.mapv_inplace(|g| g * factor);
        }
    }

    /// The Euclidean norm over all gradients together, `sqrt(sum g^2)`, summed in `f64`.
    pub fn global_norm(&self) -> f64 {
        self.0.values().flat_map(|grad| grad.iter()).map(|g| g.f64() * g.f64()).sum::<f64>().sqrt()
    }

    /// Scales all gradients so that their [`global_norm`](Self::global_norm) is at most `max_norm`, and returns
    /// the norm before. If that is infinite, infinite gradients become NaN and the others 0; if it is NaN, nothing changes.
    pub fn clip_global_norm(&mut self, max_norm: f64) -> f64 {
        let norm = self.global_norm();
        if norm > max_norm {
            self.scale(E::of(max_norm / norm));
        }
        norm
    }
    /// Holds every element of every gradient between `-limit` and `limit`; NaN stays NaN.
    ///
    /// ```
    /// use azura_core::Param;
    ///
    /// let w = Param::new(ndarray::arr1(&[3.0_f32, -0.25, -1.0]));
    /// let mut grads = w.tracked().square()?.sum_all()?.backward()?; // 2 w
    /// grads.clip_value(1.0);
    /// assert_eq!(grads.get(&w).unwrap().as_slice().unwrap(), [1.0, -0.5, -1.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    pub fn clip_value(&mut self, limit: E) {
        let clip = |g: E| {
            if g > limit {
                limit
            } else if g < -limit {
                -limit
            } else {
                g
            }
        };
        for grad in self.0.values_mut() {
            grad.mapv_inplace(clip);
        }
    }
}
