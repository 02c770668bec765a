//! Bars beside their names, as SVG.

use super::{
    number,
    svg::{Colour, FAINT, Svg, cut, text_width},
};

const TOP: f64 = 80.0;
const ROW: f64 = 26.0;
const BOTTOM: f64 = 30.0;
/// Room for the number behind a bar.
const NUMBER: f64 = 88.0;
/// Bars on a picture at most.
const MOST: usize = 30;

/// Bars that run from zero to the right, or to the left where a value is negative, each with its name and its number.
///
/// ```
/// # use azura_learner::report::{Bars, Colour};
/// let svg = Bars::new("Error without it", [("wind", 0.4), ("rain", -0.1)]).colour(Colour::Teal).svg();
/// assert!(svg.contains("wind") && svg.contains("−0.1"));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Bars {
    title: String,
    subtitle: String,
    colour: Colour,
    rows: Vec<(String, f64)>,
}

impl Bars {
    /// Bars from top to bottom; the first 30 are shown. Values that are not finite are left out.
    pub fn new<N: Into<String>>(title: impl Into<String>, rows: impl IntoIterator<Item = (N, f64)>) -> Self {
        let rows = rows.into_iter().map(|(name, value)| (name.into(), value));
        let rows = rows.filter(|(_, value)| value.abs() < 1e300).take(MOST).collect();
        Self { title: title.into(), subtitle: String::new(), colour: Colour::Indigo, rows }
    }

    /// A smaller line under the title.
    pub fn subtitle(mut self, text: impl Into<String>) -> Self {
        self.subtitle = text.into();
        self
    }

    /// The bars' colour.
    pub fn colour(mut self, colour: Colour) -> Self {
        self.colour = colour;
        self
    }

    /// The picture.
    pub fn svg(&self) -> String {
        let mut svg =
            Svg::new(&self.title, &self.subtitle, TOP + ROW * self.rows.len().max(1) as f64 + BOTTOM);
        let names: Vec<String> = self.rows.iter().map(|(name, _)| cut(name, 32)).collect();
        let left = Svg::MARGIN + names.iter().map(|name| text_width(name)).fold(0.0, f64::max) + 12.0;
        let values = || self.rows.iter().map(|row| row.1);
        let (least, most) = (values().fold(0.0, f64::min), values().fold(0.0, f64::max));
        let span = if most > least { most - least } else { 1.0 };
        let room = Svg::WIDTH - Svg::MARGIN - NUMBER - left - if least < 0.0 { NUMBER } else { 0.0 };
        let zero = left + if least < 0.0 { NUMBER } else { 0.0 } - least / span * room;
        for (i, (name, (_, value))) in names.iter().zip(&self.rows).enumerate() {
            let y = TOP + ROW * i as f64;
            let end = zero + value / span * room;
            svg.text(left - 12.0, y + 15.0, "class=\"plain\" text-anchor=\"end\"", name);
            svg.add(format_args!(
                "<rect class=\"{}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"16\" rx=\"2\" fill=\"currentColor\" \
                 fill-opacity=\"0.8\"/>",
                self.colour.class(),
                zero.min(end),
                y + 3.0,
                (end - zero).abs().max(0.5),
            ));
            let text = number(Some(*value)).replace('-', "−");
            if *value < 0.0 {
                svg.text(end - 8.0, y + 15.0, "class=\"faint\" text-anchor=\"end\"", &text);
            } else {
                svg.text(end + 8.0, y + 15.0, FAINT, &text);
            }
        }
        if self.rows.is_empty() {
            svg.text(Svg::MARGIN, TOP + 15.0, FAINT, "no values");
        } else {
            svg.add(format_args!(
                "<line class=\"axis\" x1=\"{zero:.1}\" y1=\"{:.1}\" x2=\"{zero:.1}\" y2=\"{:.1}\"/>",
                TOP - 2.0,
                svg.height - BOTTOM + 2.0,
            ));
        }
        svg.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `x` and `width` of each bar.
    fn bars(svg: &str) -> Vec<(f64, f64)> {
        let number = |tag: &str, key: &str| -> f64 {
            let rest = &tag[tag.find(key).unwrap() + key.len()..];
            rest[..rest.find('"').unwrap()].parse().unwrap()
        };
        let tags = svg.split("<rect class=\"indigo\"").skip(1);
        tags.map(|tag| (number(tag, " x=\""), number(tag, " width=\""))).collect()
    }

    #[test]
    fn lengths_are_in_proportion_and_negative_ones_go_left() {
        let found = bars(&Bars::new("t", [("a", 4.0), ("b", 1.0), ("c", -2.0)]).svg());
        let (zero, unit) = (found[0].0, found[0].1 / 4.0);
        assert!((found[1].0 - zero).abs() < 0.11 && (found[1].1 - unit).abs() < 0.11, "{found:?}");
        assert!((found[2].0 + found[2].1 - zero).abs() < 0.11 && (found[2].1 - 2.0 * unit).abs() < 0.11);
    }

    #[test]
    fn odd_rows() {
        let none: [(&str, f64); 0] = [];
        assert!(Bars::new("t", none).svg().contains("no values"));
        for value in [0.0, f64::NAN, 1e299, -1e299] {
            let svg = Bars::new("<b>", [("é".repeat(99), value), ("z".into(), 1.0)]).svg();
            assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("<b>"), "{svg}");
        }
        assert_eq!(bars(&Bars::new("t", (0..99).map(|i| (i.to_string(), 1.0))).svg()).len(), 30);
    }
}
