//! The affine map of a dense layer.

use super::{
    from_vec,
    matmul::{product, rows},
    shape::reshaped,
    slice, standard, sums,
};
use crate::{
    Data, Element, Error, Result, TensorBase,
    kernels::{Mat, gemm_new},
};
use ndarray::Dimension;

impl<E: Element> TensorBase<E> {
    /// The affine map `y = x W' + b` of the last axis: `x` is `[.., in]`, `weight` `[out, in]`, `bias` `[out]`,
    /// and `y` is `[.., out]`. Weights are laid out as in PyTorch.
    ///
    /// ```
    /// use azura_core::Tensor;
    ///
    /// let x = Tensor::from_vec(&[2], vec![1.0, 2.0])?;
    /// let weight = Tensor::from_vec(&[1, 2], vec![3.0, 4.0])?;
    /// let bias = Tensor::from_vec(&[1], vec![0.5])?;
    /// assert_eq!(x.linear(&weight, Some(&bias))?.to_vec(), [11.5]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes are not of this form.
    pub fn linear(&self, weight: &Self, bias: Option<&Self>) -> Result<Self> {
        let (Some(&inputs), &[out, fan_in]) = (self.shape().last(), weight.shape()) else {
            return Err(wrong(self, weight));
        };
        if inputs != fan_in {
            return Err(wrong(self, weight));
        }
        if let Some(bias) = bias
            && bias.shape() != [out]
        {
            return Err(Error::shapes(
                "linear",
                weight.shape(),
                bias.shape(),
                "wants weight [out, in], bias [out]",
            ));
        }
        let all: &[&Self] = match bias {
            Some(bias) => &[self, weight, bias],
            None => &[self, weight],
        };
        Self::record("linear", all, |inputs| {
            let (x, w) = (standard(inputs.data(0)), standard(inputs.data(1)));
            let y = forward(&x, &w, bias.map(|_| inputs.data(2)));
            let (x_shape, w_shape) = (x.raw_dim(), w.raw_dim());
            // Each factor of the product is saved for the derivative by the other.
            let (x, w) = (inputs.needs(1).then_some(x), inputs.needs(0).then_some(w));
            let bias = bias.map(|_| inputs.needs(2));
            Ok((
                y,
                Box::new(move |grad| {
                    let grad = standard(&grad);
                    let g = rows(&grad);
                    let dx = w.map(|w| from_vec(x_shape.slice(), product(g, rows(&w))));
                    let dw = x.map(|x| from_vec(w_shape.slice(), product(g.t(), rows(&x))));
                    let mut grads = vec![dx, dw];
                    grads.extend(bias.map(|needs| needs.then(|| column_sums(&grad, out))));
                    Ok(grads)
                }),
            ))
        })
    }
}

fn wrong<E: Element>(x: &TensorBase<E>, weight: &TensorBase<E>) -> Error {
    Error::shapes("linear", x.shape(), weight.shape(), "wants x [.., in], weight [out, in]")
}

fn forward<E: Element>(x: &Data<E>, w: &Data<E>, bias: Option<&Data<E>>) -> Data<E> {
    let (x_rows, out) = (rows(x), w.shape()[0]);
    let mut shape = x.shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = out;
    }
    let bias = bias.map(standard);
    let y = gemm_new(x_rows, Mat::new(slice(w), out, w.shape()[1]).t(), bias.as_ref().map(slice));
    from_vec(&shape, y)
}

fn column_sums<E: Element>(grad: &Data<E>, columns: usize) -> Data<E> {
    let rows = reshaped(grad, &[grad.len() / columns.max(1), columns]);
    sums::over_axis(rows.view(), 0).into_shared()
}
