//! Line charts as SVG.

use std::fmt::Write as _;

use jiff::civil::DateTime;

use super::{
    axis::{Tick, nice_step, number_ticks, seconds, time_ticks},
    thin,
};

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 400.0;
const TOP: f64 = 96.0;
const BOTTOM: f64 = 54.0;
const RIGHT: f64 = 28.0;
/// Points of a line at most: more than there are pixels to show them.
const MOST_POINTS: usize = 1600;
/// A line of so few points shows them as dots: one alone would be no line at all.
const FEW_POINTS: usize = 12;

/// A line's colour: distinct also for most people who see few colours, on a white ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Colour {
    /// A quiet grey for what is given.
    Slate,
    /// The main line.
    Indigo,
    /// What is compared with it.
    Orange,
    /// A third.
    Teal,
}

impl Colour {
    fn hex(self) -> &'static str {
        match self {
            Self::Slate => "#97a6ba",
            Self::Indigo => "#4f46e5",
            Self::Orange => "#ea580c",
            Self::Teal => "#0d9488",
        }
    }

    /// The given is a broad quiet line on which the others stand out.
    fn width(self) -> f64 {
        if self == Self::Slate { 2.75 } else { 1.75 }
    }
}

#[derive(Clone, Debug)]
struct Line {
    name: String,
    colour: Colour,
    values: Vec<Option<f64>>,
}

/// Where the points stand from left to right.
#[derive(Clone, Debug)]
enum Across {
    Numbers(Vec<f64>),
    Times(Vec<DateTime>),
}

/// A chart of lines over numbers or times, with axes, legend and title.
///
/// ```
/// # use azura_learner::report::{Colour, LineChart};
/// let svg = LineChart::over_numbers("Loss", [1.0, 2.0, 3.0])
///     .x_label("epoch")
///     .line("training", Colour::Indigo, [Some(0.9), Some(0.5), None])
///     .svg();
/// assert!(svg.starts_with("<svg") && svg.contains("epoch"));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct LineChart {
    title: String,
    subtitle: String,
    x_label: String,
    y_label: String,
    across: Across,
    lines: Vec<Line>,
    from_zero: bool,
    mark: Option<(f64, f64, String)>,
}

impl LineChart {
    /// A chart over numbers: epochs, steps.
    pub fn over_numbers(title: impl Into<String>, x: impl IntoIterator<Item = f64>) -> Self {
        Self::new(title.into(), Across::Numbers(x.into_iter().collect()))
    }

    /// A chart over times.
    pub fn over_times(title: impl Into<String>, x: impl IntoIterator<Item = DateTime>) -> Self {
        Self::new(title.into(), Across::Times(x.into_iter().collect()))
    }

    fn new(title: String, across: Across) -> Self {
        Self {
            title,
            subtitle: String::new(),
            x_label: String::new(),
            y_label: String::new(),
            across,
            lines: Vec::new(),
            from_zero: false,
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
        mut self,
        name: impl Into<String>,
        colour: Colour,
        values: impl IntoIterator<Item = Option<f64>>,
    ) -> Self {
        // The span of two of them must be a number, too.
        let values = values.into_iter().map(|v| v.filter(|v| v.abs() < 1e300)).collect();
        self.lines.push(Line { name: name.into(), colour, values });
        self
    }

    /// A remark at a point.
    pub fn mark(mut self, x: f64, y: f64, text: impl Into<String>) -> Self {
        self.mark = Some((x, y, text.into()));
        self
    }

    /// The picture.
    pub fn svg(&self) -> String {
        let frame = Frame::of(self);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" role=\"img\" font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, \
             'Helvetica Neue', Arial, sans-serif\" font-size=\"12\">\n<title>{}</title>\n\
             <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"12\" fill=\"#ffffff\" \
             stroke=\"#e2e8f0\"/>\n",
            escape(&self.title),
            WIDTH - 1.0,
            HEIGHT - 1.0,
        );
        let title = "font-size=\"16\" font-weight=\"600\" fill=\"#0f172a\"";
        text(&mut out, 24.0, 34.0, title, &cut(&self.title, 60));
        text(&mut out, 24.0, 54.0, "fill=\"#64748b\"", &self.subtitle);
        self.legend(&mut out);
        frame.axes(&mut out, self);
        for line in &self.lines {
            frame.line(&mut out, line);
        }
        if frame.is_empty() {
            let (x, y) = (f64::midpoint(frame.left, WIDTH - RIGHT), f64::midpoint(TOP, HEIGHT - BOTTOM));
            text(&mut out, x, y, "text-anchor=\"middle\" font-size=\"14\" fill=\"#94a3b8\"", "no values");
        }
        if let Some((x, y, remark)) = &self.mark {
            frame.mark(&mut out, *x, *y, remark);
        }
        out + "</svg>\n"
    }

    fn legend(&self, out: &mut String) {
        let mut right = WIDTH - RIGHT;
        for line in self.lines.iter().rev() {
            let name = cut(&line.name, 24);
            let left = right - text_width(&name);
            text(out, left, 34.0, "fill=\"#334155\"", &name);
            let colour = line.colour.hex();
            let _ = writeln!(
                out,
                "<line x1=\"{:.1}\" y1=\"30\" x2=\"{:.1}\" y2=\"30\" stroke=\"{colour}\" stroke-width=\"3\" \
                 stroke-linecap=\"round\"/>",
                left - 24.0,
                left - 8.0,
            );
            right = left - 44.0;
        }
    }
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
    fn of(chart: &LineChart) -> Self {
        let values = || chart.lines.iter().flat_map(|l| l.values.iter().copied().flatten());
        let empty = values().next().is_none();
        let floor = if chart.from_zero { Some(0.0) } else { None };
        let (min, max) = spread(values().chain(floor), |x| if x == 0.0 { 1.0 } else { x.abs() * 0.1 });
        let step = nice_step(max - min, 5);
        let y_range = ((min / step + 1e-9).floor() * step, (max / step - 1e-9).ceil() * step);
        let y_ticks = number_ticks(y_range.0, y_range.1, step);
        let longest = y_ticks.iter().map(|t| text_width(&t.label)).fold(0.0, f64::max);
        let (x, x_range, x_ticks) = match &chart.across {
            Across::Numbers(x) => {
                let (min, max) = spread(x.iter().copied(), |_| 0.5);
                let step = nice_step(max - min, 10).max(1.0);
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
        Self { left: 24.0 + longest + 10.0, x, x_range, y_range, x_ticks, y_ticks, empty }
    }

    fn is_empty(&self) -> bool {
        self.empty
    }

    fn px(&self, x: f64) -> f64 {
        let share = (x - self.x_range.0) / (self.x_range.1 - self.x_range.0);
        self.left + share * (WIDTH - RIGHT - self.left)
    }

    fn py(&self, y: f64) -> f64 {
        let share = (y - self.y_range.0) / (self.y_range.1 - self.y_range.0);
        HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
    }

    fn axes(&self, out: &mut String, chart: &LineChart) {
        let (right, base) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        text(out, 24.0, TOP - 16.0, "fill=\"#64748b\"", &chart.y_label);
        for tick in &self.y_ticks {
            let y = self.py(tick.at);
            let colour = if y >= base - 0.5 { "#94a3b8" } else { "#e8edf3" };
            let _ = writeln!(
                out,
                "<line x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{right:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\"/>",
                self.left,
            );
            text(out, self.left - 10.0, y + 4.0, "text-anchor=\"end\" fill=\"#64748b\"", &tick.label);
        }
        for tick in &self.x_ticks {
            let x = self.px(tick.at);
            let _ = writeln!(
                out,
                "<line x1=\"{x:.1}\" y1=\"{base:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"#94a3b8\"/>",
                base + 5.0,
            );
            text(out, x, base + 20.0, "text-anchor=\"middle\" fill=\"#64748b\"", &tick.label);
            let year = "text-anchor=\"middle\" font-weight=\"600\" fill=\"#475569\"";
            text(out, x, base + 37.0, year, &tick.below);
        }
        text(out, right, base + 40.0, "text-anchor=\"end\" fill=\"#64748b\"", &chart.x_label);
    }

    fn line(&self, out: &mut String, line: &Line) {
        let points: Vec<(f64, f64)> =
            self.x.iter().zip(&line.values).filter_map(|(&x, y)| Some((x, (*y)?))).collect();
        let values: Vec<f64> = points.iter().map(|p| p.1).collect();
        let kept = thin(&[&values], MOST_POINTS);
        let colour = line.colour.hex();
        if kept.len() > 1 {
            let mut path = String::new();
            for (n, &i) in kept.iter().enumerate() {
                let letter = if n == 0 { 'M' } else { 'L' };
                let _ = write!(path, "{letter}{:.1} {:.1}", self.px(points[i].0), self.py(points[i].1));
            }
            let _ = writeln!(
                out,
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{}\" \
                 stroke-linejoin=\"round\" stroke-linecap=\"round\"/>",
                line.colour.width(),
            );
        }
        for &i in kept.iter().filter(|_| kept.len() <= FEW_POINTS) {
            let (x, y) = (self.px(points[i].0), self.py(points[i].1));
            let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
    }

    /// A ring at the point, and the remark above it at the top, where curves that fall leave room.
    fn mark(&self, out: &mut String, x: f64, y: f64, remark: &str) {
        let (x, y) = (self.px(x), self.py(y));
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" y1=\"{TOP:.1}\" x2=\"{x:.1}\" y2=\"{y:.1}\" stroke=\"#94a3b8\" \
             stroke-dasharray=\"2 3\"/>\n\
             <circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" fill=\"#ffffff\" stroke=\"#0f172a\" \
             stroke-width=\"2\"/>"
        );
        let to_the_right = x + 8.0 + text_width(remark) < WIDTH - RIGHT;
        let (x, anchor) = if to_the_right { (x + 8.0, "start") } else { (x - 8.0, "end") };
        let halo = format!(
            "text-anchor=\"{anchor}\" fill=\"#334155\" stroke=\"#ffffff\" stroke-width=\"4\" \
             paint-order=\"stroke\" stroke-linejoin=\"round\""
        );
        text(out, x, TOP + 16.0, &halo, remark);
    }
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

fn text(out: &mut String, x: f64, y: f64, attributes: &str, text: &str) {
    if !text.is_empty() {
        let text = escape(&cut(text, 120));
        let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{text}</text>");
    }
}

/// Text of so many characters at most, so that it stays on the picture.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// About how wide a text of 12 px is.
fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * 6.6
}

/// Text as SVG can hold it: marks escaped, characters that XML forbids left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
