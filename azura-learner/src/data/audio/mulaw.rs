//! Sound in few levels.

/// The µ-law of 256 levels (ITU-T G.711; as in van den Oord et al. 2016, for `WaveNet`), which spends more levels on soft sounds:
///
/// ```text
/// f(x) = sign(x) ln(1 + µ|x|) / ln(1 + µ),  µ = 255,  -1 <= x <= 1
/// level = floor((f(x) + 1) / 2 · µ + 1/2)
/// ```
///
/// ```
/// # use azura_learner::data::MuLaw;
/// assert_eq!([-1.0, 0.0, 1.0].map(MuLaw::encode), [0, 128, 255]);
/// assert!((MuLaw::decode(MuLaw::encode(0.3)) - 0.3).abs() < 0.01);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MuLaw;

const MU: f64 = 255.0;

impl MuLaw {
    /// How many levels there are.
    pub const LEVELS: usize = 256;

    /// The level of a sample; one beyond -1 to 1 has that of the end, and NaN that of silence.
    pub fn encode(x: f32) -> u8 {
        let x = if x.is_nan() { 0.0 } else { f64::from(x).clamp(-1.0, 1.0) };
        let f = (MU * x.abs()).ln_1p() / MU.ln_1p() * x.signum();
        (f64::midpoint(f, 1.0) * MU + 0.5).floor() as u8
    }

    /// The sample of a level: `sign(y) ((1 + µ)^|y| - 1) / µ` with `y = 2 level / µ - 1`.
    pub fn decode(level: u8) -> f32 {
        let y = 2.0 * f64::from(level) / MU - 1.0;
        (y.signum() * ((1.0 + MU).powf(y.abs()) - 1.0) / MU) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // x = 0.1: ln(26.5) / ln(256) = 3.277145 / 5.545177 = 0.590991; 1.590991 / 2 · 255 + 0.5 = 203.351.
        assert_eq!(MuLaw::encode(0.1), 203);
        // x = -0.5: -ln(128.5) / ln(256) = -4.855929 / 5.545177 = -0.875703; 0.124297 / 2 · 255 + 0.5 = 16.348.
        assert_eq!(MuLaw::encode(-0.5), 16);
        // Level 203: y = 406 / 255 - 1 = 0.592157; 256^y = e^(5.545177 · 0.592157) = e^3.283615 = 26.672; 25.672 / 255.
        assert!((MuLaw::decode(203) - 0.100_675).abs() < 1e-5, "{}", MuLaw::decode(203));
        assert_eq!(vec![MuLaw::decode(0), MuLaw::decode(255)], [-1.0, 1.0]);
        assert_eq!([5.0, -5.0, f32::NAN].map(MuLaw::encode), [255, 0, 128]);
    }

    #[test]
    fn every_level_is_that_of_its_sample() {
        for level in 0..=255 {
            assert_eq!(MuLaw::encode(MuLaw::decode(level)), level);
        }
    }
}
