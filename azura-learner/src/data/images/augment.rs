//! Pictures that are a little different each time they are seen.

use rand_chacha::rand_core::Rng as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rng::{normal, stream, uniform};

/// Random changes of a picture that leave its class as it is, so that a model learns from more than there is. The default
/// changes nothing.
///
/// What is drawn depends on the seed, the epoch and the sample alone: not on the batch that a sample is in, the thread, or what
/// was drawn before.
///
/// ```
/// # use azura_learner::data::Augment;
/// let augment = Augment { shift: 1, ..Augment::default() };
/// let picture = [0.0, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0];
/// let seen = |epoch| {
///     let mut picture = picture;
///     augment.apply(&mut picture, [1, 3, 3], (0.0, 9.0), [42, epoch, 7]);
///     picture.iter().position(|&x| x == 9.0)
/// };
/// assert_eq!(seen(1), seen(1));
/// assert!((1..10).any(|epoch| seen(epoch) != Some(4)));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(
    title = "Augmentation",
    description = "Random changes of a picture that leave its class as it is, so that a model learns from more than there is."
)]
pub struct Augment {
    /// Pixels by which a picture is moved at most, up or down and to a side. What comes into view is black; so this is also a
    /// random crop of the picture with so many black pixels around it.
    #[schemars(title = "Shift", range(min = 0, max = 1000))]
    pub shift: usize,
    /// Mirrors every other picture, left and right. Not for letters and digits.
    #[schemars(title = "Mirror")]
    pub flip: bool,
    /// The least share of height and width that is cut out at random and stretched to the whole size; 1 for none.
    #[schemars(title = "Crop", range(min = 0.1, max = 1.0))]
    pub crop: f64,
    /// Standard deviation of the normal noise that is added to each pixel, as a share of the way from black to white.
    #[schemars(title = "Noise", range(min = 0.0, max = 1.0))]
    pub noise: f64,
}

impl Default for Augment {
    fn default() -> Self {
        Self { shift: 0, flip: false, crop: 1.0, noise: 0.0 }
    }
}

impl Augment {
    /// Changes a picture of the given shape `[channels, height, width]` and range (black, white) in a way that is drawn
    /// for `[seed, epoch, sample]`.
    ///
    /// # Panics
    /// If the picture has another number of pixels.
    pub fn apply(&self, picture: &mut [f32], shape: [usize; 3], range: (f32, f32), draw: [u64; 3]) {
        let [seed, epoch, sample] = draw;
        let [channels, height, width] = shape;
        assert_eq!(picture.len(), channels * height * width, "a picture of this shape");
        if *self == Self::default() || picture.is_empty() {
            return;
        }
        // Above the streams that shuffle epochs.
        let rng = &mut stream(seed, (epoch + 1) << 32 | (sample & 0xffff_ffff));
        let share = uniform(rng, self.crop as f32, 1.0);
        let mut cut = |side: usize| uniform(rng, 0.0, 1.0) * (1.0 - share) * side as f32;
        let (top, left) = (cut(height), cut(width));
        let span = 2 * self.shift as u64 + 1;
        let mut step = || (rng.next_u64() % span) as isize - self.shift as isize;
        let (down, right) = (step(), step());
        let mirrored = rng.next_u32() & 1 == 1 && self.flip;

        let source = picture.to_vec();
        for (channel, plane) in picture.chunks_exact_mut(height * width).enumerate() {
            let source = &source[channel * height * width..][..height * width];
            for (i, pixel) in plane.iter_mut().enumerate() {
                let (y, x) = ((i / width) as isize - down, (i % width) as isize - right);
                if !(0..height as isize).contains(&y) || !(0..width as isize).contains(&x) {
                    *pixel = range.0;
                    continue;
                }
                let x = if mirrored { width as isize - 1 - x } else { x };
                // A pixel's middle is half a pixel from its edge.
                let place = |x: isize, from: f32| (x as f32 + 0.5) * share + from - 0.5;
                *pixel = between(source, [height, width], place(y, top), place(x, left));
            }
        }
        if self.noise > 0.0 {
            let deviation = self.noise as f32 * (range.1 - range.0);
            for pixel in picture {
                *pixel += deviation * normal(rng);
            }
        }
    }
}

/// The value of a plane between its pixels, on straight lines; beyond its edge that of the edge.
fn between(plane: &[f32], [height, width]: [usize; 2], y: f32, x: f32) -> f32 {
    let split = |x: f32, size: usize| {
        let x = x.clamp(0.0, (size - 1) as f32);
        let first = x as usize;
        (first, (first + 1).min(size - 1), x - first as f32)
    };
    let ((top, bottom, down), (left, right, along)) = (split(y, height), split(x, width));
    let row = |y: usize| plane[y * width + left] * (1.0 - along) + plane[y * width + right] * along;
    row(top) * (1.0 - down) + row(bottom) * down
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 3] = [2, 4, 5];

    fn picture() -> Vec<f32> {
        (1..=40).map(|i| i as f32).collect()
    }

    fn seen(augment: &Augment, draw: [u64; 3]) -> Vec<f32> {
        let mut picture = picture();
        augment.apply(&mut picture, SHAPE, (0.0, 40.0), draw);
        picture
    }

    #[test]
    fn a_draw_belongs_to_seed_epoch_and_sample() {
        let all = Augment { shift: 2, flip: true, crop: 0.5, noise: 0.1 };
        let one = seen(&all, [1, 2, 3]);
        assert_eq!(seen(&all, [1, 2, 3]), one);
        for other in [[2, 2, 3], [1, 3, 3], [1, 2, 4]] {
            assert_ne!(seen(&all, other), one);
        }
        assert_eq!(seen(&Augment::default(), [1, 2, 3]), picture());
    }

    #[test]
    fn shifts_are_all_those_within_reach_and_leave_black() {
        let augment = Augment { shift: 1, ..Augment::default() };
        let mut found = Vec::new();
        for sample in 0..200 {
            let seen = seen(&augment, [1, 1, sample]);
            let shift =
                (-1..=1).flat_map(|down| (-1..=1).map(move |right| (down, right))).find(|&(down, right)| {
                    (0..40).all(|i: isize| {
                        let (plane, y, x) = (i / 20, i % 20 / 5 - down, i % 5 - right);
                        let inside = (0..4).contains(&y) && (0..5).contains(&x);
                        let expected = if inside { (plane * 20 + y * 5 + x + 1) as f32 } else { 0.0_f32 };
                        seen[i as usize].to_bits() == expected.to_bits()
                    })
                });
            found.push(shift.unwrap());
        }
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 9);
    }

    #[test]
    fn half_of_the_pictures_are_mirrored() {
        let augment = Augment { flip: true, ..Augment::default() };
        let mirror: Vec<f32> =
            picture().chunks(5).flat_map(|row| row.iter().rev().copied().collect::<Vec<_>>()).collect();
        let count = (0..400).filter(|&sample| {
            let seen = seen(&augment, [3, 1, sample]);
            assert!(seen == mirror || seen == picture());
            seen == mirror
        });
        // 200 with a standard deviation of 10.
        assert!((160..=240).contains(&count.count()));
    }

    #[test]
    fn a_crop_of_a_slope_is_a_slope_of_that_share() {
        // Pixel x of a row is x, so that the slope between pixels away from the edges is the share that was cut out.
        let row: Vec<f32> = (0..40).map(|x| x as f32).collect();
        let augment = Augment { crop: 0.5, ..Augment::default() };
        let mut shares = Vec::new();
        for sample in 0..50 {
            let mut picture = row.clone();
            augment.apply(&mut picture, [1, 1, 40], (0.0, 39.0), [1, 1, sample]);
            let slope = picture[20] - picture[19];
            assert!(picture[5..35].windows(2).all(|w| (w[1] - w[0] - slope).abs() < 1e-4), "{picture:?}");
            assert!(picture.iter().all(|x| (0.0..=39.0).contains(x)));
            shares.push(slope);
        }
        assert!(shares.iter().all(|s| (0.5 - 1e-4..=1.0).contains(s)));
        assert!(shares.iter().any(|&s| s < 0.6) && shares.iter().any(|&s| s > 0.9));
    }

    #[test]
    fn noise_has_its_deviation() {
        let augment = Augment { noise: 0.1, ..Augment::default() };
        let mut picture = vec![100.0; 10_000];
        augment.apply(&mut picture, [1, 100, 100], (0.0, 50.0), [1, 1, 1]);
        let square = picture.iter().map(|x| (x - 100.0).powi(2)).sum::<f32>() / 1e4;
        // 5 squared; the standard error of a variance over 10 000 numbers is sqrt(2) / 100 of it.
        assert!((square / 25.0 - 1.0).abs() < 4.0 * 0.0142, "{square}");
    }
}
