use crate::{Cx, Error, Module, Result};
use azura_core::Tensor;
use rand_chacha::rand_core::Rng as _;

/// Dropout: in training each element becomes 0 with probability `p`, the others are multiplied by `1 / (1 - p)`.
/// In evaluation it does nothing. Any shape.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{Cx, Dropout, Module, seeded};
///
/// let x = Tensor::from_vec(&[100], vec![1.0; 100])?;
/// let y = Dropout::new(0.5)?.forward(&x, &mut Cx::train(seeded(1)))?;
/// assert!(y.to_vec().iter().all(|y| [0.0, 2.0].contains(y)));
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug)]
pub struct Dropout {
    p: f64,
}

impl Dropout {
    /// Dropout with probability `p`.
    ///
    /// # Errors
    /// If `p` does not lie in `0 <= p < 1`.
    pub fn new(p: f64) -> Result<Self> {
        if (0.0..1.0).contains(&p) {
            Ok(Self { p })
        } else {
            Err(Error::Argument(format!("dropout: p = {p} must lie in 0 <= p < 1")))
        }
    }
}

impl Module for Dropout {
    fn forward(&self, x: &Tensor, cx: &mut Cx) -> Result<Tensor> {
        match cx.rng() {
            Some(rng) if self.p > 0.0 => Ok(x.dropout(self.p, || rng.next_u32())?),
            _ => Ok(x.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeded;

    #[test]
    fn training_drops_a_share_and_scales_the_rest_and_evaluation_does_nothing() {
        let (layer, x) =
            (Dropout::new(0.25).unwrap(), Tensor::from_vec(&[100, 100], vec![3.0; 10_000]).unwrap());
        assert_eq!(layer.forward(&x, &mut Cx::eval()).unwrap().to_vec(), x.to_vec());

        let y = layer.forward(&x, &mut Cx::train(seeded(1))).unwrap().to_vec();
        // 3 / (1 - 1 / 4) = 4.
        assert!(y.iter().all(|y| [0.0, 4.0].contains(y)));
        // 2500 of 10 000 drop, give or take four times sqrt(10 000 * 0.25 * 0.75) = 43.
        let dropped = y.iter().filter(|&&y| y == 0.0).count();
        assert!(dropped.abs_diff(2500) < 4 * 43, "{dropped}");
        // The generator moves on: the next pass drops others.
        let mut cx = Cx::train(seeded(1));
        let [first, second] = [(); 2].map(|()| layer.forward(&x, &mut cx).unwrap().to_vec());
        assert!(first == y && second != y);
    }

    #[test]
    fn a_share_of_all_or_none_at_all() {
        assert!(Dropout::new(1.0).is_err() && Dropout::new(-0.1).is_err() && Dropout::new(f64::NAN).is_err());
        let x = Tensor::from_vec(&[2], vec![1.0, 2.0]).unwrap();
        let y = Dropout::new(0.0).unwrap().forward(&x, &mut Cx::train(seeded(1))).unwrap();
        assert_eq!(y.to_vec(), x.to_vec());
    }
}
