use crate::{Cx, Module, Result, Rng, rng::normal, visit};
use azura_core::{Ids, Param, Tensor, ndarray::Array};

/// A vector for each id: ids of any shape to `[ids.., dimensions]`.
///
/// Parameters: `weight` `[count, dimensions]`, a row for each id from 0, drawn from the normal distribution of mean 0
/// and variance 1 as in PyTorch.
///
/// Its input is integers, so it is a `Module<Ids>`. A pair `(Embedding, module)` is one too: one after the other.
///
/// ```
/// use azura_core::{Ids, ndarray::arr2};
/// use azura_learner::{Cx, Embedding, Lstm, Module, seeded};
///
/// let tokens: Ids = arr2(&[[0, 3, 3], [9, 1, 0]]).into_dyn().into_shared(); // 2 sequences of 3 tokens
/// let rng = &mut seeded(1);
/// let embedding = Embedding::new(10, 4, rng);
/// assert_eq!(embedding.forward(&tokens, &mut Cx::eval())?.shape(), [2, 3, 4]);
///
/// let model = (embedding, Lstm::new(4, 16, rng));
/// assert_eq!(model.forward(&tokens, &mut Cx::eval())?.shape(), [2, 3, 16]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Debug)]
pub struct Embedding {
    weight: Param,
}

impl Embedding {
    /// A table of `count` random vectors of `dimensions` numbers. The forward pass refuses ids of `count` or more.
    pub fn new(count: usize, dimensions: usize, rng: &mut Rng) -> Self {
        let weight = Array::from_shape_simple_fn([count, dimensions], || normal(rng));
        Self { weight: Param::new(weight) }
    }
}

impl Module<Ids> for Embedding {
    fn forward(&self, x: &Ids, cx: &mut Cx) -> Result<Tensor> {
        Ok(cx.param(&self.weight).embedding(x)?)
    }

    visit! { params: weight; }
}
