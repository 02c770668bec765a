//! Activation functions.

use super::{T, Tested, gradients};

/// Tests the operation, if it is one of these.
pub(crate) fn cases(t: &mut Tested) -> bool {
    let ln3 = 3_f64.ln();
    match t.op {
        "relu" => {
            t.unary(T::relu, T::relu, &[-2.0, 0.0, 3.0], &[0.0, 0.0, 3.0]);
            assert!(T::scalar(f64::NAN).relu().unwrap().item().unwrap().is_nan());
        }
        "leaky_relu" => {
            let leaky = |x: &T| x.leaky_relu(0.1);
            t.unary(leaky, leaky, &[-2.0, 0.0, 3.0], &[-0.2, 0.0, 3.0]);
        }
        // 0.5 (1 / 3 - 1).
        "elu" => {
            let elu = |x: &T| x.elu(0.5);
            t.unary(elu, elu, &[-ln3, 0.0, 3.0], &[-1.0 / 3.0, 0.0, 3.0]);
        }
        // The normal distribution at 1 and 2, from tables: 0.841344746068543, 0.977249868051821.
        "gelu" => {
            let values = [0.0, 0.841_344_746_068_543, 0.841_344_746_068_543 - 1.0, 1.954_499_736_103_642];
            t.unary(|x| x.scale(3.0)?.gelu(), T::gelu, &[0.0, 1.0, -1.0, 2.0], &values);
        }
        // x / (1 + e^-2u), u = sqrt(2 / pi) 1.044715 = 0.833561968..: worked out with 20 digits.
        "gelu_tanh" => {
            let values = [0.0, 0.841_191_990_608_276_7, 0.841_191_990_608_276_7 - 1.0];
            t.unary(|x| x.scale(3.0)?.gelu_tanh(), T::gelu_tanh, &[0.0, 1.0, -1.0], &values);
        }
        // ln 3 times 3 / 4 and 1 / 4, as of the sigmoid.
        "silu" => {
            t.unary(|x| x.scale(4.0)?.silu(), T::silu, &[0.0, ln3, -ln3], &[0.0, 0.75 * ln3, -0.25 * ln3]);
        }
        // ln(1 + 1), ln(1 + 3), ln(1 + 1 / 3).
        "softplus" => {
            let values = [2_f64.ln(), 4_f64.ln(), 4_f64.ln() - ln3];
            t.unary(|x| x.scale(4.0)?.softplus(), T::softplus, &[0.0, ln3, -ln3], &values);
        }
        _ => return false,
    }
    true
}

#[test]
fn kinks_have_the_documented_derivatives() {
    let at = [-1.0, 0.0, 1.0];
    assert_eq!(gradients(|x| x[0].relu(), &[&at]), [[0.0, 0.0, 1.0]]);
    assert_eq!(gradients(|x| x[0].leaky_relu(0.1), &[&at]), [[0.1, 0.1, 1.0]]);
    assert_eq!(gradients(|x| x[0].elu(0.5), &[&at[1..]]), [[0.5, 1.0]]);
}

/// Far out, where formulas overflow or multiply 0 with infinity.
#[test]
fn ends_are_limits() {
    let inf = f64::INFINITY;
    let far = [-inf, -1e300, -800.0, 800.0, 1e300, inf];
    let high = [0.0, 0.0, 0.0, 800.0, 1e300, inf];
    let step = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0];
    for f in [T::relu, T::gelu, T::gelu_tanh, T::silu, T::softplus] {
        let y = f(&super::row(&far)).unwrap();
        assert_eq!(y.to_vec(), high);
        assert_eq!(gradients(|x| f(&x[0]), &[&far]), [step]);
        assert!(f(&T::scalar(f64::NAN)).unwrap().item().unwrap().is_nan());
    }
    let elu = super::row(&far).elu(0.5).unwrap();
    assert_eq!(elu.to_vec(), [-0.5, -0.5, -0.5, 800.0, 1e300, inf]);
    assert_eq!(gradients(|x| x[0].elu(0.5), &[&far]), [step]);
}
