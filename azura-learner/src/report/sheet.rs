//! A sheet of small pictures with what is to be said of them.

use std::{collections::BTreeMap, fmt::Write as _};

use super::svg::{Svg, cut};

const TOP: f64 = 78.0;
const ACROSS: usize = 6;
const TILE: f64 = 132.0;
const SIDE: f64 = 108.0;
const CAPTION: f64 = 40.0;
/// Pictures on a sheet at most.
const MOST: usize = 24;
/// Pixels of a side that are drawn; a finer picture is drawn by the means of squares.
const FINEST: usize = 28;

/// Pictures in rows of six, each with two lines under it. Pixels are `[channels, height, width]`.
///
/// ```
/// # use azura_learner::report::Sheet;
/// let svg = Sheet::new("Mistakes").picture(["a 7", "for a 1"], &[0.0, 1.0, 1.0, 0.0], [1, 2, 2], (0.0, 1.0)).svg();
/// assert!(svg.contains("for a 1") && svg.contains("#f8f8f8"));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Sheet {
    title: String,
    subtitle: String,
    tiles: Vec<Tile>,
}

#[derive(Clone, Debug)]
struct Tile {
    lines: [String; 2],
    size: [usize; 2],
    /// The pixels of each colour, as a path.
    colours: BTreeMap<[u8; 3], String>,
}

impl Sheet {
    /// A sheet without pictures.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), subtitle: String::new(), tiles: Vec::new() }
    }

    /// A smaller line under the title.
    pub fn subtitle(mut self, text: impl Into<String>) -> Self {
        self.subtitle = text.into();
        self
    }

    /// Adds a picture, unless there are 24, or its pixels are not as many as its shape says. `range` are the numbers that stand for black and white; in
    /// a picture of one channel, for grey, in one of three, of red, green and blue.
    pub fn picture(
        mut self,
        lines: [impl Into<String>; 2],
        pixels: &[f32],
        shape: [usize; 3],
        range: (f32, f32),
    ) -> Self {
        let [channels, height, width] = shape;
        if self.tiles.len() < MOST && !pixels.is_empty() && pixels.len() == channels * height * width {
            let (size, colours) = drawn(pixels, shape, range);
            self.tiles.push(Tile { lines: lines.map(Into::into), size, colours });
        }
        self
    }

    /// The picture of all.
    pub fn svg(&self) -> String {
        let rows = self.tiles.len().div_ceil(ACROSS).max(1);
        let mut svg = Svg::new(&self.title, &self.subtitle, TOP + rows as f64 * (SIDE + CAPTION + 14.0));
        if self.tiles.is_empty() {
            svg.text(Svg::MARGIN, TOP + 15.0, "class=\"faint\"", "no pictures");
        }
        for (i, Tile { lines, size: [height, width], colours }) in self.tiles.iter().enumerate() {
            let left = Svg::MARGIN + (i % ACROSS) as f64 * (TILE + 8.0);
            let top = TOP + (i / ACROSS) as f64 * (SIDE + CAPTION + 14.0);
            let scale = SIDE / (*height).max(*width) as f64;
            svg.add(format_args!(
                "<g transform=\"translate({left:.1} {top:.1}) scale({scale:.4})\" shape-rendering=\"crispEdges\">"
            ));
            for ([red, green, blue], path) in colours {
                svg.add(format_args!("<path fill=\"#{red:02x}{green:02x}{blue:02x}\" d=\"{path}\"/>"));
            }
            svg.tag("</g>");
            svg.add(format_args!(
                "<rect class=\"axis\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"none\"/>",
                *width as f64 * scale,
                *height as f64 * scale,
            ));
            svg.text(left, top + SIDE + 16.0, "class=\"plain\"", &cut(&lines[0], 20));
            svg.text(left, top + SIDE + 32.0, "class=\"faint\"", &cut(&lines[1], 20));
        }
        svg.finish()
    }
}

/// The pixels by colour, coarse enough to be drawn.
fn drawn(
    pixels: &[f32],
    [channels, height, width]: [usize; 3],
    (black, white): (f32, f32),
) -> ([usize; 2], BTreeMap<[u8; 3], String>) {
    let square = height.max(width).div_ceil(FINEST);
    let (rows, columns) = (height.div_ceil(square), width.div_ceil(square));
    let span = if white > black { white - black } else { 1.0 };
    let byte = |channel: usize, row: usize, column: usize| {
        let (mut sum, mut count) = (0.0, 0.0);
        for y in (row * square..height).take(square) {
            for x in (column * square..width).take(square) {
                sum += pixels[(channel * height + y) * width + x];
                count += 1.0;
            }
        }
        // Of 32 steps, so that there are not too many colours.
        (((sum / count - black) / span).clamp(0.0, 1.0) * 31.0).round() as u8 * 8
    };
    let mut colours: BTreeMap<[u8; 3], String> = BTreeMap::new();
    for row in 0..rows {
        let colour = |column| [0, 1, 2].map(|channel: usize| byte(channel.min(channels - 1), row, column));
        let mut column = 0;
        while column < columns {
            let this = colour(column);
            let run = (column..columns).take_while(|&next| colour(next) == this).count();
            // Writing to a string cannot fail.
            let _ = write!(colours.entry(this).or_default(), "M{column} {row}h{run}v1h-{run}z");
            column += run;
        }
    }
    ([rows, columns], colours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_runs_of_their_colour() {
        // Black, black, white / half, half, white: 0.5 is step 16 of 31, 128.
        let (size, colours) = drawn(&[0.0, 0.0, 8.0, 4.0, 4.0, 8.0], [1, 2, 3], (0.0, 8.0));
        assert_eq!(size, [2, 3]);
        let expected =
            [([0; 3], "M0 0h2v1h-2z"), ([128; 3], "M0 1h2v1h-2z"), ([248; 3], "M2 0h1v1h-1zM2 1h1v1h-1z")];
        assert!(colours.iter().map(|(c, p)| (*c, p.as_str())).eq(expected), "{colours:?}");
        // Red and blue, at a third of their size: 84 by 56 becomes 28 by 19.
        let mut pixels = vec![1.0; 84 * 56];
        pixels.extend(vec![0.0; 84 * 56]);
        pixels.extend(vec![1.0; 84 * 56]);
        let (size, colours) = drawn(&pixels, [3, 84, 56], (0.0, 1.0));
        assert_eq!((size, colours.keys().copied().collect::<Vec<_>>()), ([28, 19], vec![[248, 0, 248]]));
    }

    #[test]
    fn odd_sheets() {
        assert!(Sheet::new("t").svg().contains("no pictures"));
        let mut sheet = Sheet::new("t").picture(["a", "b"], &[1.0], [1, 1, 2], (0.0, 1.0));
        for _ in 0..30 {
            sheet = sheet.picture(["<i>", ""], &[f32::NAN, 1e30], [1, 1, 2], (0.0, 0.0));
        }
        let svg = sheet.svg();
        assert_eq!(svg.matches("<g ").count(), 24);
        assert!(!svg.contains("<i>") && !svg.contains("NaN"));
    }
}
