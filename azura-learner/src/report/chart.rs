//! Charts of numbers along an axis: lines, bands, points and columns, as SVG.

use std::fmt::Write as _;

use jiff::civil::DateTime;

use super::{
    axis::{Tick, nice_step, number_ticks, seconds, time_ticks},
    svg::{Colour, FAINT, Svg, cut, text_width},
    thin,
};

const HEIGHT: f64 = 400.0;
const TOP: f64 = 96.0;
const BOTTOM: f64 = 54.0;
const RIGHT: f64 = 28.0;
/// Points of a line at most: more than there are pixels to show them.
const MOST_POINTS: usize = 1600;
/// A line of so few points shows them as dots: one alone would be no line at all.
const FEW_POINTS: usize = 12;

/// What the numbers of a series become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Line,
    /// The space between the values and `others`.
    Band,
    Points,
    Columns,
}

#[derive(Clone, Debug)]
struct Series {
    name: String,
    colour: Colour,
    mark: Mark,
    values: Vec<Option<f64>>,
    /// The other border of a band.
    others: Vec<Option<f64>>,
}

/// Where the points stand from left to right.
#[derive(Clone, Debug)]
enum Across {
    Numbers(Vec<f64>),
    Times(Vec<DateTime>),
}

/// A chart over numbers or times, with axes, legend and title.
///
/// ```
/// # use azura_learner::report::{Chart, Colour};
/// let svg = Chart::over_numbers("Loss", [1.0, 2.0, 3.0])
///     .x_label("epoch")
///     .line("training", Colour::Indigo, [Some(0.9), Some(0.5), None])
///     .svg();
/// assert!(svg.starts_with("<svg") && svg.contains("epoch"));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Chart {
    title: String,
    subtitle: String,
    x_label: String,
    y_label: String,
    across: Across,
    series: Vec<Series>,
    from_zero: bool,
    diagonal: Option<String>,
    mark: Option<(f64, f64, String)>,
}

impl Chart {
    /// A chart over numbers: epochs, steps.
    pub fn over_numbers(title: impl Into<String>, x: impl IntoIterator<Item = f64>) -> Self {
        Self::new(title.into(), Across::Numbers(x.into_iter().collect()))
    }

    /// A chart over times.
    pub fn over_times(title: impl Into<String>, x: impl IntoIterator<Item = DateTime>) -> Self {
        Self::new(title.into(), Across::Times(x.into_iter().collect()))
    }

    /// How often values lie in each of about `bins` ranges of equal width. Values that are not finite are left out.
    pub fn histogram(title: impl Into<String>, values: &[f64], bins: usize, colour: Colour) -> Self {
        let (centres, counts) = bin(values, bins);
        let counts = counts.into_iter().map(|n| Some(n as f64));
        Self::over_numbers(title, centres).from_zero().series("", colour, Mark::Columns, counts, Vec::new())
    }

    fn new(title: String, across: Across) -> Self {
        Self {
            title,
            subtitle: String::new(),
            x_label: String::new(),
            y_label: String::new(),
            across,
            series: Vec::new(),
            from_zero: false,
            diagonal: None,
            mark: None,
        }
    }

    /// A smaller line under the title.
    pub fn subtitle(mut self, text: impl Into<String>) -> Self {
        self.subtitle = text.into();
        self
    }

    /// What runs from left to right.
    pub fn x_label(mut self, text: impl Into<String>) -> Self {
        self.x_label = text.into();
        self
    }

    /// What runs upwards, with its unit.
    pub fn y_label(mut self, text: impl Into<String>) -> Self {
        self.y_label = text.into();
        self
    }

    /// Lets the upward axis begin at zero.
    pub fn from_zero(mut self) -> Self {
        self.from_zero = true;
        self
    }

    /// A line; points without a value, or with one that is not finite, are passed over.
    pub fn line(
        self,
        name: impl Into<String>,
        colour: Colour,
        values: impl IntoIterator<Item = Option<f64>>,
    ) -> Self {
        self.series(name, colour, Mark::Line, values, Vec::new())
    }

    /// The space between two lines; where one of them has no value there is none.
    pub fn band(
        self,
        name: impl Into<String>,
        colour: Colour,
        lower: impl IntoIterator<Item = Option<f64>>,
        upper: impl IntoIterator<Item = Option<f64>>,
    ) -> Self {
        self.series(name, colour, Mark::Band, lower, drawable(upper))
    }

    /// Points that are not joined.
    pub fn points(
        self,
        name: impl Into<String>,
        colour: Colour,
        values: impl IntoIterator<Item = Option<f64>>,
    ) -> Self {
        self.series(name, colour, Mark::Points, values, Vec::new())
    }

    /// The line on which both axes say the same.
    pub fn diagonal(mut self, name: impl Into<String>) -> Self {
        self.diagonal = Some(name.into());
        self
    }

    /// A remark at a point.
    pub fn mark(mut self, x: f64, y: f64, text: impl Into<String>) -> Self {
        self.mark = Some((x, y, text.into()));
        self
    }

    fn series(
        mut self,
        name: impl Into<String>,
        colour: Colour,
        mark: Mark,
        values: impl IntoIterator<Item = Option<f64>>,
        others: Vec<Option<f64>>,
    ) -> Self {
        self.series.push(Series { name: name.into(), colour, mark, values: drawable(values), others });
        self
    }

    /// The picture.
    pub fn svg(&self) -> String {
        let frame = Frame::of(self);
        let mut svg = Svg::new(&self.title, &self.subtitle, HEIGHT);
        self.legend(&mut svg);
        frame.axes(&mut svg, self);
        if self.diagonal.is_some() {
            frame.diagonal(&mut svg);
        }
        for series in &self.series {
            match series.mark {
                Mark::Line => frame.line(&mut svg, series),
                Mark::Band => frame.band(&mut svg, series),
                Mark::Points => frame.points(&mut svg, series),
                Mark::Columns => frame.columns(&mut svg, series),
            }
        }
        if frame.empty {
            let (x, y) = (f64::midpoint(frame.left, Svg::WIDTH - RIGHT), f64::midpoint(TOP, HEIGHT - BOTTOM));
            svg.text(x, y, "class=\"faint\" text-anchor=\"middle\" font-size=\"14\"", "no values");
        }
        if let Some((x, y, remark)) = &self.mark {
            frame.mark(&mut svg, *x, *y, remark);
        }
        svg.finish()
    }

    fn legend(&self, svg: &mut Svg) {
        let series =
            self.series.iter().map(|series| (series.name.as_str(), series.colour.class(), series.mark));
        let diagonal = self.diagonal.iter().map(|name| (name.as_str(), "slate", Mark::Line));
        let mut right = Svg::WIDTH - RIGHT;
        for (name, class, mark) in series.chain(diagonal).rev().filter(|(name, ..)| !name.is_empty()) {
            let name = cut(name, 24);
            let left = right - text_width(&name);
            svg.text(left, 34.0, "class=\"plain\"", &name);
            let (from, to) = (left - 24.0, left - 8.0);
            match mark {
                Mark::Line => svg.add(format_args!(
                    "<line class=\"{class}\" x1=\"{from:.1}\" y1=\"30\" x2=\"{to:.1}\" y2=\"30\" stroke=\"currentColor\" \
                     stroke-width=\"3\" stroke-linecap=\"round\"/>"
                )),
                Mark::Points => svg.add(format_args!(
                    "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"30\" r=\"4\" fill=\"currentColor\"/>",
                    f64::midpoint(from, to)
                )),
                Mark::Band | Mark::Columns => svg.add(format_args!(
                    "<rect class=\"{class}\" x=\"{from:.1}\" y=\"25\" width=\"16\" height=\"10\" rx=\"2\" \
                     fill=\"currentColor\" fill-opacity=\"0.3\"/>"
                )),
            }
            right = left - 44.0;
        }
    }
}

/// Values that have a place on a picture: the span of two of them must be a number, too.
fn drawable(values: impl IntoIterator<Item = Option<f64>>) -> Vec<Option<f64>> {
    values.into_iter().map(|v| v.filter(|v| v.abs() < 1e300)).collect()
}

/// The centres of ranges of equal, round width that hold all values, and how many values lie in each.
fn bin(values: &[f64], bins: usize) -> (Vec<f64>, Vec<usize>) {
    let values = || values.iter().copied().filter(|v| v.abs() < 1e300);
    if values().next().is_none() {
        return (Vec::new(), Vec::new());
    }
    let (min, max) = spread(values(), |x| if x == 0.0 { 0.5 } else { x.abs() * 0.1 });
    let width = nice_step(max - min, bins.max(1));
    let first = (min / width).floor();
    let count = (((max / width).floor() - first) as usize + 1).min(10 * bins.max(1));
    let mut counts = vec![0; count];
    for value in values() {
        counts[(((value / width).floor() - first) as usize).min(count - 1)] += 1;
    }
    ((0..count).map(|i| (first + i as f64 + 0.5) * width).collect(), counts)
}

/// The plot's place on the picture: from values to pixels.
struct Frame {
    left: f64,
    x: Vec<f64>,
    x_range: (f64, f64),
    y_range: (f64, f64),
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    empty: bool,
}

impl Frame {
    fn of(chart: &Chart) -> Self {
        let values = || {
            let series = chart.series.iter();
            series.flat_map(|s| s.values.iter().chain(&s.others).copied().flatten())
        };
        let empty = values().next().is_none();
        let floor = if chart.from_zero { Some(0.0) } else { None };
        let (min, max) = spread(values().chain(floor), |x| if x == 0.0 { 1.0 } else { x.abs() * 0.1 });
        let step = nice_step(max - min, 5);
        let y_range = ((min / step + 1e-9).floor() * step, (max / step - 1e-9).ceil() * step);
        let y_ticks = number_ticks(y_range.0, y_range.1, step);
        let longest = y_ticks.iter().map(|t| text_width(&t.label)).fold(0.0, f64::max);
        let (x, x_range, x_ticks) = match &chart.across {
            Across::Numbers(x) => {
                let (mut min, mut max) = spread(x.iter().copied(), |_| 0.5);
                if chart.series.iter().any(|series| series.mark == Mark::Columns) {
                    let half = column_width(x) / 2.0;
                    (min, max) = (x.first().map_or(min, |x| x - half), x.last().map_or(max, |x| x + half));
                }
                let step = nice_step(max - min, 10);
                // Epochs and steps are counted.
                let step = if x.iter().all(|x| x.fract() == 0.0) { step.max(1.0) } else { step };
                (x.clone(), (min, max), number_ticks(min, max, step))
            }
            Across::Times(times) => {
                let x: Vec<f64> = times.iter().copied().map(seconds).collect();
                let range = spread(x.iter().copied(), |_| 86_400.0);
                let ticks = times.iter().min().zip(times.iter().max());
                let ticks = ticks.map(|(a, b)| time_ticks(*a, *b, 9)).unwrap_or_default();
                (x, range, ticks)
            }
        };
        Self { left: Svg::MARGIN + longest + 10.0, x, x_range, y_range, x_ticks, y_ticks, empty }
    }

    fn px(&self, x: f64) -> f64 {
        let share = (x - self.x_range.0) / (self.x_range.1 - self.x_range.0);
        self.left + share * (Svg::WIDTH - RIGHT - self.left)
    }

    fn py(&self, y: f64) -> f64 {
        let share = (y - self.y_range.0) / (self.y_range.1 - self.y_range.0);
        HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
    }

    fn axes(&self, svg: &mut Svg, chart: &Chart) {
        let (left, right, base) = (self.left, Svg::WIDTH - RIGHT, HEIGHT - BOTTOM);
        svg.text(Svg::MARGIN, TOP - 16.0, FAINT, &chart.y_label);
        for tick in &self.y_ticks {
            let y = self.py(tick.at);
            let class = if y >= base - 0.5 { "axis" } else { "grid" };
            svg.add(format_args!(
                "<line class=\"{class}\" x1=\"{left:.1}\" y1=\"{y:.1}\" x2=\"{right:.1}\" y2=\"{y:.1}\"/>"
            ));
            svg.text(left - 10.0, y + 4.0, "class=\"faint\" text-anchor=\"end\"", &tick.label);
        }
        for tick in &self.x_ticks {
            let x = self.px(tick.at);
            svg.add(format_args!(
                "<line class=\"axis\" x1=\"{x:.1}\" y1=\"{base:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>",
                base + 5.0,
            ));
            svg.text(x, base + 20.0, "class=\"faint\" text-anchor=\"middle\"", &tick.label);
            let year = "class=\"plain\" text-anchor=\"middle\" font-weight=\"600\"";
            svg.text(x, base + 37.0, year, &tick.below);
        }
        svg.text(right, base + 40.0, "class=\"faint\" text-anchor=\"end\"", &chart.x_label);
    }

    /// Where the values of a series lie on the picture, as many as can be told apart.
    fn places(&self, values: &[Option<f64>]) -> Vec<(f64, f64)> {
        let points: Vec<(f64, f64)> =
            self.x.iter().zip(values).filter_map(|(&x, y)| Some((x, (*y)?))).collect();
        let heights: Vec<f64> = points.iter().map(|p| p.1).collect();
        let kept = thin(&[&heights], MOST_POINTS);
        kept.into_iter().map(|i| (self.px(points[i].0), self.py(points[i].1))).collect()
    }

    fn line(&self, svg: &mut Svg, series: &Series) {
        let (places, class) = (self.places(&series.values), series.colour.class());
        if places.len() > 1 {
            // The given is a broad quiet line on which the others stand out.
            let width = if series.colour == Colour::Slate { 2.75 } else { 1.75 };
            svg.add(format_args!(
                "<path class=\"{class}\" d=\"{}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"{width}\" \
                 stroke-linejoin=\"round\" stroke-linecap=\"round\"/>",
                path(&places),
            ));
        }
        for (x, y) in places.iter().filter(|_| places.len() <= FEW_POINTS) {
            svg.add(format_args!(
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"currentColor\"/>"
            ));
        }
    }

    fn band(&self, svg: &mut Svg, series: &Series) {
        let both = |one: &Option<f64>, other: &Option<f64>| one.zip(*other);
        let pairs: Vec<_> = series.values.iter().zip(&series.others).map(|(a, b)| both(a, b)).collect();
        let border = |of: fn((f64, f64)) -> f64| {
            self.places(&pairs.iter().map(|pair| pair.map(of)).collect::<Vec<_>>())
        };
        let (mut outline, mut back) = (border(|pair| pair.0), border(|pair| pair.1));
        back.reverse();
        outline.append(&mut back);
        if outline.len() > 2 {
            svg.add(format_args!(
                "<path class=\"{}\" d=\"{}Z\" fill=\"currentColor\" fill-opacity=\"0.16\"/>",
                series.colour.class(),
                path(&outline),
            ));
        }
    }

    fn points(&self, svg: &mut Svg, series: &Series) {
        svg.add(format_args!(
            "<g class=\"{}\" fill=\"currentColor\" fill-opacity=\"0.55\">",
            series.colour.class()
        ));
        for (x, y) in self.places(&series.values) {
            svg.add(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"/>"));
        }
        svg.add(format_args!("</g>"));
    }

    fn columns(&self, svg: &mut Svg, series: &Series) {
        let (half, base) = (column_width(&self.x) / 2.0, self.py(0.0));
        for (&x, y) in self.x.iter().zip(&series.values) {
            let Some(y) = y.filter(|y| *y > 0.0) else { continue };
            let (left, right, top) = (self.px(x - half) + 1.0, self.px(x + half) - 1.0, self.py(y));
            svg.add(format_args!(
                "<rect class=\"{}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"currentColor\" \
                 fill-opacity=\"0.75\"/>",
                series.colour.class(),
                (right - left).max(0.5),
                (base - top).max(0.5),
            ));
        }
    }

    fn diagonal(&self, svg: &mut Svg) {
        let (from, to) = (self.x_range.0.max(self.y_range.0), self.x_range.1.min(self.y_range.1));
        if from < to {
            svg.add(format_args!(
                "<line class=\"slate\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"currentColor\" \
                 stroke-width=\"2\"/>",
                self.px(from),
                self.py(from),
                self.px(to),
                self.py(to),
            ));
        }
    }

    /// A ring at the point, and the remark above it at the top, where curves that fall leave room.
    fn mark(&self, svg: &mut Svg, x: f64, y: f64, remark: &str) {
        let (x, y) = (self.px(x), self.py(y));
        svg.add(format_args!(
            "<line class=\"axis\" x1=\"{x:.1}\" y1=\"{TOP:.1}\" x2=\"{x:.1}\" y2=\"{y:.1}\" stroke-dasharray=\"2 3\"/>\n\
             <circle class=\"ground ring\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" stroke-width=\"2\"/>"
        ));
        let to_the_right = x + 8.0 + text_width(remark) < Svg::WIDTH - RIGHT;
        let (x, anchor) = if to_the_right { (x + 8.0, "start") } else { (x - 8.0, "end") };
        let halo = format!(
            "class=\"plain halo\" text-anchor=\"{anchor}\" stroke-width=\"4\" paint-order=\"stroke\" \
             stroke-linejoin=\"round\""
        );
        svg.text(x, TOP + 16.0, &halo, remark);
    }
}

/// The outline through places of the picture.
fn path(places: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (n, (x, y)) in places.iter().enumerate() {
        let letter = if n == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{letter}{x:.1} {y:.1}");
    }
    path
}

/// The distance between columns; 1 for one alone.
fn column_width(x: &[f64]) -> f64 {
    if let [first, second, ..] = x { second - first } else { 1.0 }
}

/// Least and greatest value, apart by `around` on both sides where they are the same; 0 to 1 for none.
fn spread(values: impl Iterator<Item = f64>, around: impl Fn(f64) -> f64) -> (f64, f64) {
    let range = values.fold(None, |range: Option<(f64, f64)>, x| {
        let (min, max) = range.unwrap_or((x, x));
        Some((min.min(x), max.max(x)))
    });
    match range {
        None => (0.0, 1.0),
        Some((min, max)) if max - min <= max.abs() * 1e-12 => (min - around(min), max + around(max)),
        Some(range) => range,
    }
}

#[cfg(test)]
mod tests;
