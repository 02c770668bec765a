//! The ground on which pictures are drawn: a card with a title, colours that suit a light and a dark surrounding, text that stays text.

use std::fmt::{self, Write as _};

/// Both grounds; which one is shown is for the viewer's settings to say. Strokes and fills of `currentColor` have the colour of their class.
const STYLE: &str = "<style>\
.card{fill:#fff;stroke:#e2e8f0}.ground{fill:#fff}.halo{stroke:#fff}.ink{fill:#0f172a}.plain{fill:#334155}.faint{fill:#64748b}\
.grid{stroke:#e8edf3}.axis{stroke:#94a3b8}.ring{stroke:#0f172a}\
.slate{color:#97a6ba}.indigo{color:#4f46e5}.orange{color:#ea580c}.teal{color:#0d9488}\
@media(prefers-color-scheme:dark){\
.card{fill:#0f141d;stroke:#262e3b}.ground{fill:#0f141d}.halo{stroke:#0f141d}.ink{fill:#f1f5f9}.plain{fill:#cbd5e1}.faint{fill:#94a3b8}\
.grid{stroke:#1e2633}.axis{stroke:#64748b}.ring{stroke:#f1f5f9}\
.slate{color:#7d8ca3}.indigo{color:#8b8cff}.orange{color:#fb923c}.teal{color:#2dd4bf}}\
</style>\n";

/// A colour: distinct also for most people who see few colours, on either ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Colour {
    /// A quiet grey for what is given.
    Slate,
    /// The main one.
    Indigo,
    /// What is compared with it.
    Orange,
    /// A third.
    Teal,
}

impl Colour {
    /// Its class in the style.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Slate => "slate",
            Self::Indigo => "indigo",
            Self::Orange => "orange",
            Self::Teal => "teal",
        }
    }
}

/// A picture that is being drawn, 880 px wide.
pub(super) struct Svg {
    out: String,
    /// Its height, px.
    pub(super) height: f64,
}

impl Svg {
    /// Width of every picture, px.
    pub(super) const WIDTH: f64 = 880.0;
    /// From the border to what is written at the left.
    pub(super) const MARGIN: f64 = 24.0;

    /// A card with a title and a smaller line under it.
    pub(super) fn new(title: &str, subtitle: &str, height: f64) -> Self {
        let mut svg = Self { out: String::new(), height };
        let width = Self::WIDTH;
        svg.add(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\" font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif\" \
             font-size=\"12\">\n<title>{}</title>\n{STYLE}\
             <rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"12\"/>",
            escape(title),
            width - 1.0,
            height - 1.0,
        ));
        svg.text(Self::MARGIN, 34.0, "class=\"ink\" font-size=\"16\" font-weight=\"600\"", &cut(title, 60));
        svg.text(Self::MARGIN, 54.0, FAINT, subtitle);
        svg
    }

    /// Adds a line of SVG.
    pub(super) fn add(&mut self, markup: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.out.write_fmt(markup);
        self.out.push('\n');
    }

    /// Adds a tag that opens or closes a group.
    pub(super) fn tag(&mut self, tag: &str) {
        self.add(format_args!("{tag}"));
    }

    /// Adds what a viewer shows when one points at the group.
    pub(super) fn title(&mut self, text: &str) {
        self.add(format_args!("<title>{}</title>", escape(text)));
    }

    /// Adds a text whose baseline begins, or as the attributes say, at a point.
    pub(super) fn text(&mut self, x: f64, y: f64, attributes: &str, text: &str) {
        if !text.is_empty() {
            let text = escape(&cut(text, 120));
            self.add(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{text}</text>"));
        }
    }

    /// The whole picture.
    pub(super) fn finish(self) -> String {
        self.out + "</svg>\n"
    }
}

/// Attributes of what need not stand out.
pub(super) const FAINT: &str = "class=\"faint\"";

/// Text of so many characters at most, so that it stays on the picture.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// About how wide a text of 12 px is.
pub(super) fn text_width(text: &str) -> f64 {
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
