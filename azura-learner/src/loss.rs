//! Losses: what [`Learner::new`](crate::Learner::new) makes small.
//!
//! Each is a function of output and target, or makes one of its settings. Prediction and target of those that compare
//! numbers have the same shape: `[32]` and `[32, 1]` would silently be broadcast to 32 x 32 pairs, and are refused.
//!
//! ```
//! use azura_core::Tensor;
//! use azura_learner::{Adam, Learner, Linear, loss, seeded};
//!
//! let model = || Linear::new(4, 1, &mut seeded(1));
//! let learner: Learner<_> = Learner::new(model(), Adam::new(0.01), loss::mae);
//! let robust: Learner<_> = Learner::new(model(), Adam::new(0.01), loss::huber(1.0));
//!
//! let (y, target) = (Tensor::zeros(&[32]), Tensor::zeros(&[32, 1]));
//! let error = loss::mae(&y, &target).unwrap_err().to_string();
//! assert!(error.contains("broadcast, they would be [32, 32]"), "{error}");
//! ```

use azura_core::{ClassLoss, Error, Ids, Result, Tensor};

/// Refuses pairs of different shapes, and says what would have become of them.
fn pairs(op: &'static str, y: &Tensor, target: &Tensor) -> Result<()> {
    let (left, right) = (y.shape().to_vec(), target.shape().to_vec());
    if left == right {
        return Ok(());
    }
    // The shapes tell, without a number being computed with.
    let empty = |shape: &[usize]| shape.contains(&0);
    let axes = left.len().max(right.len());
    let padded = |shape: &[usize]| [vec![1; axes - shape.len()], shape.to_vec()].concat();
    let both: Vec<_> = padded(&left).into_iter().zip(padded(&right)).collect();
    let broadcasts = !empty(&left) && !empty(&right) && both.iter().all(|&(a, b)| a == b || a == 1 || b == 1);
    let why = if broadcasts {
        let shape: Vec<_> = both.into_iter().map(|(a, b)| a.max(b)).collect();
        format!("prediction and target must have the same shape; broadcast, they would be {shape:?}")
    } else {
        "prediction and target must have the same shape".into()
    };
    Err(Error::Shapes { op, left, right, why })
}

/// Losses of numbers: a check of the shapes around what is computed of `y` and `target`.
macro_rules! losses {
    ($(
        $(#[$doc:meta])*
        $name:ident$(($arg:ident: f32))? => |$y:ident, $target:ident| $loss:expr;
    )*) => {$(losses!(@one $(#[$doc])* $name$(($arg))? => |$y, $target| $loss);)*};
    (@one $(#[$doc:meta])* $name:ident => |$y:ident, $target:ident| $loss:expr) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// If the shapes differ.
        pub fn $name($y: &Tensor, $target: &Tensor) -> Result<Tensor> {
            pairs(stringify!($name), $y, $target)?;
            $loss
        }
    };
    (@one $(#[$doc:meta])* $name:ident($arg:ident) => |$y:ident, $target:ident| $loss:expr) => {
        $(#[$doc])*
        ///
        /// What is returned refuses different shapes, and a setting out of its range.
        pub fn $name($arg: f32) -> impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Copy + 'static {
            move |$y, $target| {
                pairs(stringify!($name), $y, $target)?;
                $loss
            }
        }
    };
}

losses! {
    /// The mean squared error: the mean of `(y - target)^2`, a scalar. Any shape.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// use azura_learner::loss;
    ///
    /// let (y, target) = (Tensor::from_vec(&[2], vec![1.0, 4.0])?, Tensor::from_vec(&[2], vec![2.0, 2.0])?);
    /// assert_eq!(loss::mse(&y, &target)?.item()?, 2.5); // (1 + 4) / 2
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    mse => |y, target| y.mse(target);
    /// The mean absolute error: the mean of `|y - target|`, a scalar. Any shape. Its derivative where both are equal is
    /// taken as 0.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// use azura_learner::loss;
    ///
    /// let (y, target) = (Tensor::from_vec(&[2], vec![1.0, 4.0])?, Tensor::from_vec(&[2], vec![2.0, 2.0])?);
    /// assert_eq!(loss::mae(&y, &target)?.item()?, 1.5); // (1 + 2) / 2
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    mae => |y, target| y.sub(target)?.abs()?.mean_all();
    /// The binary cross entropy of logits y and targets t, mostly 0 or 1: the mean of
    /// `-t ln(sigmoid(y)) - (1 - t) ln(1 - sigmoid(y))`, a scalar. Any shape.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// use azura_learner::loss;
    ///
    /// let (y, target) = (Tensor::zeros(&[2]), Tensor::from_vec(&[2], vec![1.0, 0.0])?);
    /// assert_eq!(loss::bce_with_logits(&y, &target)?.item()?, 2.0_f32.ln()); // both are held for even
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    bce_with_logits => |y, target| y.bce_with_logits(target);
    /// The Huber loss (Huber 1964), with `d = |y - target|`: the mean of `d^2 / 2` up to `delta` and of
    /// `delta (d - delta / 2)` beyond, a scalar. Any shape. `delta` is greater than 0.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// use azura_learner::loss;
    ///
    /// let (y, target) = (Tensor::from_vec(&[2], vec![1.0, 10.0])?, Tensor::zeros(&[2]));
    /// assert_eq!(loss::huber(2.0)(&y, &target)?.item()?, 9.25); // (1 / 2 + 2 (10 - 1)) / 2
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    huber(delta: f32) => |y, target| y.huber(target, delta);
    /// The quantile or pinball loss (Koenker and Bassett 1978): the mean of `q (target - y)` where the target is above,
    /// and of `(1 - q) (y - target)` where it is below, a scalar. Any shape. It is least where y is the q-quantile of
    /// the target. `0 < q < 1`.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// use azura_learner::loss;
    ///
    /// let (y, target) = (Tensor::from_vec(&[2], vec![1.0, 1.0])?, Tensor::from_vec(&[2], vec![5.0, -3.0])?);
    /// assert_eq!(loss::quantile(0.75)(&y, &target)?.item()?, 2.0); // (3 + 1) / 2
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    quantile(q: f32) => |y, target| y.quantile(target, q);
}

/// How [`cross_entropy`] counts. By default all classes alike, the target alone, and classes on axis 1.
#[derive(Debug, Clone)]
pub struct CrossEntropy {
    /// A weight for each class, `[classes]`; all 1 if `None`.
    pub weight: Option<Tensor>,
    /// The part of the target, 0 to 1, that is spread evenly over all classes (Szegedy et al. 2016).
    pub label_smoothing: f32,
    /// A target that does not count.
    pub ignore_index: Option<u32>,
    /// The axis of the classes: 1 as in PyTorch, or -1 for steps of a sequence, `[batch, time, classes]`.
    pub class_axis: isize,
}

impl Default for CrossEntropy {
    fn default() -> Self {
        Self { weight: None, label_smoothing: 0.0, ignore_index: None, class_axis: 1 }
    }
}

/// The cross entropy of logits, `[batch, classes]` or `[batch, classes, ..]`, and the targets' classes, which have
/// the same shape without the classes: a scalar.
///
/// With p the [`log_softmax`](Tensor::log_softmax) of the logits over C classes, class weights w, smoothing s, and
/// sums over the targets t that are not ignored, as in PyTorch:
///
/// ```text
/// loss = -((1 - s) sum_t w[t] p[t] + s / C sum_t sum_c w[c] p[c]) / sum_t w[t]
/// ```
///
/// What is returned refuses shapes that do not fit, a target that is no class, and a smoothing out of its range. Of
/// targets that are all ignored there is no mean: NaN.
///
/// ```
/// use azura_core::{Tensor, ndarray::arr2};
/// use azura_learner::loss::{CrossEntropy, cross_entropy};
///
/// let steps = cross_entropy(CrossEntropy { class_axis: -1, ignore_index: Some(255), ..CrossEntropy::default() });
/// let logits = Tensor::zeros(&[2, 3, 4]); // 2 sequences of 3 steps, 4 classes
/// let targets = arr2(&[[0, 1, 2], [3, 255, 255]]).into_dyn().into_shared();
/// assert_eq!(steps(&logits, &targets)?.item()?, 4.0_f32.ln());
/// # Ok::<(), azura_core::Error>(())
/// ```
pub fn cross_entropy(how: CrossEntropy) -> impl Fn(&Tensor, &Ids) -> Result<Tensor> + Send + Clone + 'static {
    move |logits, targets| {
        let CrossEntropy { weight, label_smoothing, ignore_index, class_axis } = &how;
        let axes = logits.shape().len() as isize;
        let axis = if *class_axis < 0 { class_axis + axes } else { *class_axis };
        if !(0..axes).contains(&axis) {
            let shape = logits.shape().to_vec();
            return Err(Error::Axis { op: "cross_entropy", axis: *class_axis, shape });
        }
        let mut order: Vec<_> = (0..axes).filter(|&other| other != axis).collect();
        order.insert(order.len().min(1), axis);
        let logits = if axis == 1 { logits.clone() } else { logits.permute(&order)? };
        let how = ClassLoss { weights: weight.as_ref(), smoothing: *label_smoothing, ignore: *ignore_index };
        logits.cross_entropy(targets, &how)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_broadcast_is_refused_by_every_loss() {
        type Loss = Box<dyn Fn(&Tensor, &Tensor) -> Result<Tensor>>;
        let losses: [(&str, Loss); 5] = [
            ("mse", Box::new(mse)),
            ("mae", Box::new(mae)),
            ("huber", Box::new(huber(1.0))),
            ("quantile", Box::new(quantile(0.5))),
            ("bce_with_logits", Box::new(bce_with_logits)),
        ];
        for (name, loss) in losses {
            let error = |y: &[usize], target: &[usize]| {
                loss(&Tensor::zeros(y), &Tensor::zeros(target)).unwrap_err().to_string()
            };
            let fits = "prediction and target must have the same shape";
            assert_eq!(
                error(&[32], &[32, 1]),
                format!(
                    "{name}: shapes [32] and [32, 1] do not fit: {fits}; broadcast, they would be [32, 32]"
                )
            );
            assert_eq!(
                error(&[4, 2], &[4, 3]),
                format!("{name}: shapes [4, 2] and [4, 3] do not fit: {fits}")
            );
            assert!(loss(&Tensor::zeros(&[32, 1]), &Tensor::zeros(&[32, 1])).is_ok());
        }
    }

    #[test]
    fn settings_out_of_their_range_are_refused() {
        let x = Tensor::zeros(&[2, 3]);
        let targets = ndarray::arr1(&[0, 1]).into_dyn().into_shared();
        let classes = |how| cross_entropy(how)(&x, &targets).map(|_| ()).map_err(|error| error.to_string());
        assert!(classes(CrossEntropy::default()).is_ok());
        for (result, why) in [
            (huber(0.0)(&x, &x).map(|_| ()).map_err(|error| error.to_string()), "huber: delta 0"),
            (quantile(1.0)(&x, &x).map(|_| ()).map_err(|error| error.to_string()), "quantile: q = 1"),
            (
                classes(CrossEntropy { label_smoothing: 1.5, ..Default::default() }),
                "cross_entropy: smoothing 1.5",
            ),
            (classes(CrossEntropy { class_axis: 2, ..Default::default() }), "cross_entropy: axis 2"),
            (
                classes(CrossEntropy { class_axis: 0, ..Default::default() }),
                "cross_entropy: shapes [3, 2] and [2]",
            ),
            (
                classes(CrossEntropy { weight: Some(Tensor::zeros(&[2])), ..Default::default() }),
                "cross_entropy: shapes [2, 3] and [2]",
            ),
        ] {
            let error = result.unwrap_err();
            assert!(error.starts_with(why), "{error}");
        }
    }
}
