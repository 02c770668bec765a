//! Elementwise operations as rows of a table: name, forward, derivative.

/// Rows of two inputs: `name: forward; derivative by the left, derivative by the right`. A derivative is the output's
/// gradient itself (`pass`), or a function of the `gradient`, of it and the `left` or `right` input, or of it and
/// `both`; the inputs that it does not name are not saved for it.
macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident: $f:expr; $by_left:ident($($da:expr)?), $by_right:ident($($db:expr)?);)*) => {
        impl<E: Element> TensorBase<E> {$(
            $(#[$doc])*
            ///
            /// Shapes broadcast: axes are aligned at the last, and an axis of length 1 is repeated.
            ///
            /// # Errors
            /// If the shapes do not broadcast.
            pub fn $name(&self, other: &Self) -> Result<Self> {
                const NAME: &str = stringify!($name);
                Self::record(NAME, &[self, other], |inputs| {
                    let (a, b) = (inputs.data(0), inputs.data(1));
                    let y = broadcast::zip(NAME, a, b, $f)?;
                    let da = inputs.needs(0).then(|| (a.raw_dim(), binary!(@saved $by_left($($da)?), a, b)));
                    let db = inputs.needs(1).then(|| (b.raw_dim(), binary!(@saved $by_right($($db)?), a, b)));
                    Ok((y, Box::new(move |grad| {
                        let rest = db.is_some().then(|| grad.clone());
                        let da = da.map(|(shape, d)| Ok(broadcast::undo(d(grad)?, shape.slice())));
                        let da = da.transpose()?;
                        let db = db.zip(rest).map(|((shape, d), grad)| Ok(broadcast::undo(d(grad)?, shape.slice())));
                        Ok(vec![da, db.transpose()?])
                    })))
                })
            }
        )*}
    };
    (@saved pass(), $a:ident, $b:ident) => { Ok };
    (@saved gradient($d:expr), $a:ident, $b:ident) => { |grad: Data<E>| Ok(broadcast::map_grad(grad, $d)) };
    (@saved left($d:expr), $a:ident, $b:ident) => {{
        let a = $a.clone();
        move |grad: Data<E>| broadcast::zip_grad(NAME, grad, &a, $d)
    }};
    (@saved right($d:expr), $a:ident, $b:ident) => {{
        let b = $b.clone();
        move |grad: Data<E>| broadcast::zip_grad(NAME, grad, &b, $d)
    }};
    (@saved both($d:expr), $a:ident, $b:ident) => {{
        let (a, b) = ($a.clone(), $b.clone());
        move |grad: Data<E>| broadcast::zip3(NAME, &grad, &a, &b, $d)
    }};
}

pub(super) use binary;

/// Rows of one input: `name: forward; derivative`. The forward is `each` element's function or a `kernel` over
/// slices. The derivative is the output's gradient itself (`pass`), or a function of the `gradient`, or of it and the
/// `input` or `output`, which is saved; or a kernel over the saved `input_slice` and the gradient, which it changes.
///
/// A row with arguments has them after its name; the forward and the derivative see them.
macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident $(($($arg:ident),+))?: $how:ident($f:expr), $by:ident($($d:expr)?);)*) => {
        impl<E: Element> TensorBase<E> {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// None; the result is one for the sake of chaining.
            pub fn $name(&self $($(, $arg: E)+)?) -> Result<Self> {
                const NAME: &str = stringify!($name);
                Self::record(NAME, &[self], |inputs| {
                    let x = inputs.data(0);
                    let y = unary!(@forward $how($f), x);
                    let derivative = unary!(@derivative $by($($d)?), x, y);
                    Ok((y, Box::new(move |grad| Ok(vec![Some(derivative(grad)?)]))))
                })
            }
        )*}
    };
    (@forward each($f:expr), $x:ident) => { broadcast::map($x, $f) };
    (@forward kernel($f:expr), $x:ident) => { broadcast::map_slice($x, $f) };
    (@derivative pass(), $x:ident, $y:ident) => { Result::Ok };
    (@derivative gradient($d:expr), $x:ident, $y:ident) => { move |grad| Result::Ok(broadcast::map_grad(grad, $d)) };
    (@derivative input($d:expr), $x:ident, $y:ident) => { unary!(@saved $x, $d) };
    (@derivative output($d:expr), $x:ident, $y:ident) => { unary!(@saved $y, $d) };
    (@derivative input_slice($d:expr), $x:ident, $y:ident) => {{
        let x = $x.clone();
        move |grad| Result::Ok(broadcast::kernel_grad(grad, &x, $d))
    }};
    (@saved $s:ident, $d:expr) => {{
        let saved = $s.clone();
        move |grad| broadcast::zip_grad(NAME, grad, &saved, $d)
    }};
}

pub(super) use unary;
