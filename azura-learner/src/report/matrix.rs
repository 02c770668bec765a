//! A table of counts as a picture, dark where there are many.

use super::svg::{Colour, FAINT, Svg, cut, text_width};

const TOP: f64 = 118.0;
const BOTTOM: f64 = 26.0;
/// Classes on a picture at most.
const MOST: usize = 30;

/// Which class was taken for which: rows are what is true, columns what was said. A field is the darker the greater its share of the row;
/// what was right is in one colour, what was wrong in another.
///
/// ```
/// # use azura_learner::report::Matrix;
/// let svg = Matrix::new("Confusion", &["cat", "dog"], &[vec![9, 1], vec![0, 10]]).svg();
/// assert!(svg.starts_with("<svg") && svg.contains("cat taken for dog: 1 of 10"));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Matrix {
    title: String,
    names: Vec<String>,
    counts: Vec<Vec<usize>>,
}

impl Matrix {
    /// Counts `[true class][predicted class]` of the named classes; the first 30 are shown.
    pub fn new(title: impl Into<String>, names: &[impl AsRef<str>], counts: &[Vec<usize>]) -> Self {
        let names = names.iter().map(|name| name.as_ref().to_owned()).collect();
        Self { title: title.into(), names, counts: counts.to_vec() }
    }

    /// The picture.
    pub fn svg(&self) -> String {
        let shown = self.names.len().min(self.counts.len()).min(MOST);
        let cell = (480.0 / shown.max(1) as f64).clamp(22.0, 56.0);
        let hidden = self.names.len() - shown;
        let subtitle = match hidden {
            0 => "how often; shaded by the share of the row".to_owned(),
            _ => format!(
                "how often; shaded by the share of the row; the first {shown} of {} classes",
                self.names.len()
            ),
        };
        let mut svg = Svg::new(&self.title, &subtitle, TOP + cell * shown as f64 + BOTTOM);
        let names: Vec<String> = self.names[..shown].iter().map(|name| cut(name, 18)).collect();
        let left =
            Svg::MARGIN + names.iter().map(|name| text_width(name)).fold(text_width("true"), f64::max) + 12.0;
        svg.text(left - 12.0, TOP - 10.0, "class=\"faint\" text-anchor=\"end\"", "true");
        svg.text(left, TOP - 34.0, FAINT, "predicted");
        for (i, name) in names.iter().enumerate() {
            let middle = (i as f64 + 0.5) * cell;
            svg.text(left - 12.0, TOP + middle + 4.0, "class=\"plain\" text-anchor=\"end\"", name);
            // As many letters as a column is wide.
            let name = cut(name, (cell / 7.0) as usize);
            svg.text(left + middle, TOP - 10.0, "class=\"plain\" text-anchor=\"middle\"", &name);
        }
        for (i, row) in self.counts[..shown].iter().enumerate() {
            let all = row.iter().sum::<usize>();
            for (j, &count) in row.iter().take(shown).enumerate() {
                self.field(
                    &mut svg,
                    [i, j],
                    [left + j as f64 * cell, TOP + i as f64 * cell, cell],
                    count,
                    all,
                );
            }
        }
        svg.finish()
    }

    fn field(&self, svg: &mut Svg, [i, j]: [usize; 2], [x, y, cell]: [f64; 3], count: usize, all: usize) {
        let share = count as f64 / all.max(1) as f64;
        let colour = if i == j { Colour::Indigo } else { Colour::Orange };
        // One of many is still to be seen.
        let opacity = if count == 0 { 0.04 } else { 0.18 + 0.77 * share };
        let (truth, said) = (cut(&self.names[i], 40), cut(&self.names[j], 40));
        svg.tag("<g>");
        svg.title(&format!("{truth} taken for {said}: {count} of {all}"));
        svg.add(format_args!(
            "<rect class=\"{}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\" fill=\"currentColor\" \
             fill-opacity=\"{opacity:.2}\"/>",
            colour.class(),
            x + 1.0,
            y + 1.0,
            cell - 2.0,
            cell - 2.0,
        ));
        if count > 0 {
            let ink = if opacity > 0.6 { "ground" } else { "ink" };
            let text = if count < 10_000 { count.to_string() } else { format!("{}k", count / 1000) };
            let size = if cell < 30.0 { 10 } else { 12 };
            let attributes = format!("class=\"{ink}\" text-anchor=\"middle\" font-size=\"{size}\"");
            svg.text(x + cell / 2.0, y + cell / 2.0 + 4.0, &attributes, &text);
        }
        svg.tag("</g>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_is_told_and_many_classes_stay_on_the_picture() {
        let svg = Matrix::new("t", &["a<b", "c"], &[vec![3, 0], vec![12_345, 7]]).svg();
        assert!(
            svg.contains(">3<") && svg.contains(">12k<") && svg.contains("a&lt;b taken for c: 0 of 3"),
            "{svg}"
        );
        assert_eq!(
            (svg.matches("<rect class=\"indigo\"").count(), svg.matches("<rect class=\"orange\"").count()),
            (2, 2)
        );
        let names: Vec<String> = (0..99).map(|i| format!("class {i}")).collect();
        let many = Matrix::new("t", &names, &vec![vec![1; 99]; 99]).svg();
        assert!(many.contains("the first 30 of 99 classes") && many.matches("<g>").count() == 900);
        let none: [&str; 0] = [];
        assert!(Matrix::new("t", &none, &[]).svg().ends_with("</svg>\n"));
    }
}
