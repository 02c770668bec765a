//! Losses of classes: the target is an index, never a number to calculate with.

use super::{
    axes::{from_last, to_last},
    from_vec, slice, standard, sums,
};
use crate::{
    Data, Element, Error, Ids, Inputs, Result, TensorBase, Vjp,
    kernels::cross_entropy::{Classes, cross_entropy},
};
use ndarray::arr0;

/// How classes count in [`cross_entropy`](TensorBase::cross_entropy) and [`nll`](TensorBase::nll). The default: all
/// alike, and the target alone.
///
/// ```
/// use azura_core::{ClassLoss, Tensor};
///
/// let rare_second = Tensor::from_vec(&[2], vec![1.0, 10.0])?;
/// let how = ClassLoss { weights: Some(&rare_second), ignore: Some(255), ..ClassLoss::default() };
/// # let x = Tensor::zeros(&[2, 2]);
/// # x.cross_entropy(&azura_core::ndarray::arr1(&[1, 255]).into_dyn().into_shared(), &how)?;
/// # Ok::<(), azura_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ClassLoss<'a, E: Element> {
    /// A weight for each class, `[C]`, a constant.
    pub weights: Option<&'a TensorBase<E>>,
    /// The part of the target, 0 to 1, that is spread evenly over all classes (label smoothing, Szegedy et al. 2016).
    pub smoothing: E,
    /// Targets of this class count for nothing, in the mean too. It need not be one of the classes.
    pub ignore: Option<u32>,
}

impl<E: Element> Default for ClassLoss<'_, E> {
    fn default() -> Self {
        Self { weights: None, smoothing: E::zero(), ignore: None }
    }
}

impl<E: Element> TensorBase<E> {
    /// The negative log-likelihood of the targets' classes, a scalar. `self` holds the logarithm p of each class's
    /// probability, `[N, C]` or `[N, C, d..]` with the classes on axis 1; `targets` is `[N]` or `[N, d..]`.
    ///
    /// With class weights w, smoothing s, and sums over the targets t that are not ignored, as in PyTorch:
    ///
    /// ```text
    /// loss = -((1 - s) sum_t w[t] p[t] + s / C sum_t sum_c w[c] p[c]) / sum_t w[t]
    /// ```
    ///
    /// The mean of nothing is NaN: no target, or weights that add up to 0.
    ///
    /// ```
    /// use azura_core::{ClassLoss, Tensor, ndarray::arr1};
    ///
    /// let p = Tensor::from_vec(&[2, 2], vec![-0.5, -1.0, -2.0, -0.25])?;
    /// let targets = arr1(&[0, 1]).into_dyn().into_shared();
    /// assert_eq!(p.nll(&targets, &ClassLoss::default())?.item()?, 0.375); // (0.5 + 0.25) / 2
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes are not of this form, a target is neither a class nor ignored, the smoothing does not lie in
    /// `0 ..= 1`, or the weights are not `[C]` or are tracked: they have no derivative.
    pub fn nll(&self, targets: &Ids, how: &ClassLoss<'_, E>) -> Result<Self> {
        let problem = Problem::new("nll", self, targets, how)?;
        Self::record("nll", &[self], |inputs| problem.solve(inputs, nll))
    }

    /// The cross entropy of logits and the targets' classes, a scalar: [`nll`](Self::nll) of their
    /// [`log_softmax`](Self::log_softmax) over the classes, in one pass.
    ///
    /// ```
    /// use azura_core::{ClassLoss, Tensor, ndarray::arr1};
    ///
    /// let logits = Tensor::from_vec(&[2, 2], vec![0.0, 0.0, 1e4, -1e4])?;
    /// let targets = arr1(&[0, 0]).into_dyn().into_shared();
    /// let loss = logits.cross_entropy(&targets, &ClassLoss::default())?.item()?;
    /// assert!((loss - 0.5 * 2.0_f32.ln()).abs() < 1e-7); // (ln 2 + 0) / 2
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`nll`](Self::nll).
    pub fn cross_entropy(&self, targets: &Ids, how: &ClassLoss<'_, E>) -> Result<Self> {
        let problem = Problem::new("cross_entropy", self, targets, how)?;
        Self::record("cross_entropy", &[self], |inputs| problem.solve(inputs, cross_entropy))
    }
}

/// What is known before the numbers are looked at.
struct Problem<E: Element> {
    targets: Ids,
    weights: Option<Data<E>>,
    ignore: Option<u32>,
    smoothing: E,
    /// Of the targets that count.
    total_weight: E,
}

impl<E: Element> Problem<E> {
    fn new(op: &'static str, x: &TensorBase<E>, targets: &Ids, how: &ClassLoss<'_, E>) -> Result<Self> {
        let &ClassLoss { weights, smoothing, ignore } = how;
        let fits = match x.shape() {
            [n, _, d @ ..] => targets.shape().split_first() == Some((n, d)),
            _ => false,
        };
        if !fits {
            let why = "wants [N, C] and targets [N], or [N, C, d..] and targets [N, d..]";
            return Err(Error::shapes(op, x.shape(), targets.shape(), why));
        }
        if !(E::zero()..=E::one()).contains(&smoothing) {
            return Err(Error::argument(op, format!("smoothing {smoothing} must lie in 0 ..= 1")));
        }
        let count = x.shape()[1];
        if let Some(weights) = weights {
            if weights.shape() != [count] {
                return Err(Error::shapes(
                    op,
                    x.shape(),
                    weights.shape(),
                    "wants [N, C, ..] and weights [C]",
                ));
            }
            if weights.is_tracked() {
                return Err(Error::argument(op, "class weights have no derivative: give a constant"));
            }
        }
        let targets = targets.as_standard_layout().into_owned().into_shared();
        let weights = weights.map(|weights| standard(weights.data()));
        let counted = || targets.iter().filter(|&&target| Some(target) != ignore);
        if let Some(target) = counted().find(|&&target| target as usize >= count) {
            return Err(Error::argument(op, format!("target {target} is none of {count} classes")));
        }
        let total_weight = match &weights {
            Some(weights) => sums::total(&counted().map(|&t| weights[t as usize]).collect::<Vec<_>>(), |w| w),
            None => E::of(counted().count() as f64),
        };
        Ok(Self { targets, weights, ignore, smoothing, total_weight })
    }

    /// The loss that `f` gives for each row of logits, in the mean, and the derivative that comes with it.
    #[expect(clippy::unnecessary_wraps, reason = "what `record` wants")]
    fn solve(
        self,
        inputs: &Inputs<'_, E>,
        f: impl FnOnce(&[E], usize, &Classes<'_, E>, bool) -> (Vec<E>, Option<Vec<E>>),
    ) -> Result<(Data<E>, Vjp<E>)> {
        let columns = inputs.data(0).shape()[1];
        let x = to_last(inputs.data(0).clone(), 1);
        let classes = Classes {
            targets: self.targets.as_slice().unwrap_or_default(),
            ignore: self.ignore,
            weights: self.weights.as_ref().map(slice),
            hard: E::one() - self.smoothing,
            soft: self.smoothing / E::of(columns as f64),
            scale: self.total_weight.recip(),
        };
        let (losses, dx) = f(slice(&x), columns, &classes, inputs.needs(0));
        let loss = sums::total(&losses, |loss| loss) / self.total_weight;
        let dx = dx.map(|dx| from_last(from_vec(x.shape(), dx), 1));
        Ok((
            arr0(loss).into_dyn().into_shared(),
            Box::new(move |grad| Ok(vec![dx.map(|dx| times(dx, &grad))])),
        ))
    }
}

/// The derivative of a scalar, times the gradient of that scalar, which mostly is 1.
fn times<E: Element>(mut dx: Data<E>, grad: &Data<E>) -> Data<E> {
    match grad.first() {
        Some(&grad) if grad != E::one() => {
            dx.mapv_inplace(|dx| dx * grad);
            dx
        }
        _ => dx,
    }
}

fn nll<E: Element>(
    p: &[E],
    columns: usize,
    classes: &Classes<'_, E>,
    derivative: bool,
) -> (Vec<E>, Option<Vec<E>>) {
    let &Classes { targets, ignore, weights, hard, soft, scale } = classes;
    let mut losses = vec![E::zero(); targets.len()];
    let mut dp = derivative.then(|| vec![E::zero(); p.len()]);
    let weight = |class: usize| weights.map_or(E::one(), |weights| weights[class]);
    let counted = (0..).zip(targets).zip(&mut losses).filter(|((_, target), _)| Some(**target) != ignore);
    for ((i, &target), loss) in counted {
        let (row, target) = (i * columns..(i + 1) * columns, target as usize);
        let (p, hard) = (&p[row.clone()], hard * weight(target));
        *loss = -hard * p[target];
        if soft != E::zero() {
            let all: Vec<E> = p.iter().enumerate().map(|(class, &p)| weight(class) * p).collect();
            *loss -= soft * sums::total(&all, |p| p);
        }
        if let Some(dp) = &mut dp {
            let dp = &mut dp[row];
            if soft != E::zero() {
                dp.iter_mut().enumerate().for_each(|(class, dp)| *dp = -soft * scale * weight(class));
            }
            dp[target] -= hard * scale;
        }
    }
    (losses, dp)
}
