//! What training is made of.

use super::{Tested, row};

/// Tests the operation, if it is one of these.
pub(crate) fn cases(t: &mut Tested) -> bool {
    match t.op {
        "dropout" => t.dropout(),
        "mse" => {
            t.derivative(&[&[3, 4], &[3, 4]], |x| x[0].mse(&x[1]));
            // (1 + 4 + 16) / 3.
            t.value(row(&[1.0, 4.0, 0.0]).mse(&row(&[2.0, 2.0, 4.0])), &[], &[7.0]);
        }
        _ => return false,
    }
    true
}

impl Tested {
    fn dropout(&mut self) {
        self.derivative(&[&[4, 5]], |x| {
            let mut state = 1_u32;
            let bits = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state
            };
            x[0].dropout(0.4, bits)
        });
        // Three quarters of 2^32 numbers drop; what is kept is multiplied by 1 / (1 - 3 / 4).
        let mut bits = [0, 3 * (1 << 30) - 1, 3 * (1 << 30), u32::MAX].into_iter();
        let y = row(&[1.0, 2.0, 3.0, 4.0]).dropout(0.75, || bits.next().unwrap());
        self.value(y, &[4], &[0.0, 0.0, 12.0, 16.0]);
    }
}
